"""Shops said to have left: kept until Shopify itself refuses their token.

`app/uninstalled` is said by a webhook whose shop stands in a header nobody signed, and whose body
is that of `shop/update`. So it is a question, not a fact: the handler notes it, and timed work asks
Shopify with the shop's own token. A refused token ends with nothing lost, for it was dead; an
answer shows that the shop is still here; while Shopify is silent everything stays as it is.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

import httpx

from app import db
from app.config import Config
from app.core import admin_api
from app.errors import HoldfastError, NotFoundError
from app.shopify.graphql import ShopifyRefusedError, TokenRefusedError
from app.shopify.tokens import GrantLostError, GrantRefusedError
from app.telemetry import logs, metrics

FIRST_ASK_SECONDS = 3.0  # all of Shopify's servers may need a moment to know
ASK_AGAIN_SECONDS, ASK_AGAIN_SECONDS_MAX = 5.0, 3600.0  # doubled each time
BATCH = 20

log = logs.logger()

# A webhook can come days late. One from before the last install is history: the shop is back.
TOLD = """
UPDATE shops
   SET leaving_at = told.at, leaving_tries = 0,
       leaving_ask_at = now() + make_interval(secs => $3)
  FROM (SELECT shop, least(max(at), now()) AS at
          FROM unnest($1::text[], $2::timestamptz[]) AS rows (shop, at) GROUP BY shop) AS told
 WHERE domain = told.shop AND status <> 'uninstalled' AND leaving_at IS NULL
   AND told.at >= installed_at
RETURNING domain
"""
# booked before the question is put: who dies over it, or a second process, leaves no gap
DUE = """
UPDATE shops
   SET leaving_tries = leaving_tries + 1,
       leaving_ask_at = now() + make_interval(secs => least($2 * 2 ^ least(leaving_tries, 20), $3))
 WHERE domain IN (SELECT domain FROM shops
                   WHERE leaving_at IS NOT NULL AND leaving_ask_at <= now()
                   ORDER BY leaving_ask_at LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING domain, leaving_at, token_version
"""
# the tokens Shopify refused and no others: a merchant may have opened the app meanwhile
GIVE_UP = """
UPDATE shops
   SET status = 'uninstalled', uninstalled_at = leaving_at, token_version = token_version + 1,
       access_token = NULL, access_expires_at = NULL, refresh_token = NULL,
       refresh_expires_at = NULL, leaving_at = NULL, leaving_ask_at = NULL
 WHERE domain = $1 AND leaving_at = $2 AND status <> 'uninstalled'
   AND (token_version = $3 OR access_token IS NULL)
RETURNING domain
"""
STAY = """
UPDATE shops SET leaving_at = NULL, leaving_ask_at = NULL, stayed_at = now()
 WHERE domain = $1 AND leaving_at = $2
RETURNING domain
"""


@dataclass(frozen=True, slots=True)
class Leaving:
    """A shop that is said to have left, and its tokens as they were when it was asked about."""

    domain: str
    leaving_at: datetime
    token_version: int


async def told(connection: Any, shops: Sequence[tuple[str, datetime]]) -> list[str]:
    """Note shops that are said to have left at a moment; returns those this was news for."""
    rows = await connection.fetch(
        TOLD, [shop for shop, _ in shops], [at for _, at in shops], FIRST_ASK_SECONDS
    )
    return [row["domain"] for row in rows]


async def confirm_due(client: httpx.AsyncClient, config: Config) -> int:
    """Ask Shopify about the shops whose turn it is; returns how many were asked about."""
    async with db.connection() as connection:
        rows = await connection.fetch(DUE, BATCH, ASK_AGAIN_SECONDS, ASK_AGAIN_SECONDS_MAX)
    await asyncio.gather(*(_confirm(Leaving(**dict(row)), client, config) for row in rows))
    return len(rows)


async def _confirm(shop: Leaving, client: httpx.AsyncClient, config: Config) -> None:
    try:
        await admin_api.call(client, config, shop.domain, "shop", {})
    except NotFoundError:
        return  # given up meanwhile
    except (GrantLostError, GrantRefusedError, TokenRefusedError) as error:
        await _give_up(shop, error.code)
    except ShopifyRefusedError as error:
        # 402 and 423 are said of a shop that is frozen or locked, and still has the app; 404 also
        # of an API version that has ended, for all shops at once
        if error.shopify_status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            await _give_up(shop, f"status {error.shopify_status}")
        else:
            _not_known(shop, error)
    except HoldfastError as error:
        _not_known(shop, error)
    else:
        await _stay(shop)


async def _give_up(shop: Leaving, reason: str) -> None:
    async with db.connection() as connection:
        gone = await connection.fetchval(GIVE_UP, shop.domain, shop.leaving_at, shop.token_version)
    if gone:
        metrics.UNINSTALLS.labels("confirmed").inc()
        log.info("shop uninstalled", shop=shop.domain, reason=reason)


async def _stay(shop: Leaving) -> None:
    async with db.connection() as connection:
        stayed = await connection.fetchval(STAY, shop.domain, shop.leaving_at)
    if stayed:
        metrics.UNINSTALLS.labels("refuted").inc()
        log.warning(
            "said to be uninstalled, but Shopify takes its token: nothing was changed",
            shop=shop.domain,
            said_at=shop.leaving_at.isoformat(),
        )


def _not_known(shop: Leaving, error: HoldfastError) -> None:
    metrics.UNINSTALLS.labels("unanswered").inc()
    log.info("uninstall not confirmed yet", shop=shop.domain, reason=error.code)
