"""What opening the app does for a shop: with Shopify-managed installation the first valid id
token is the install.
"""

import time
from typing import Any

import httpx

from app import db, rooms
from app.config import Config
from app.core import admin_api, tokens
from app.core.tokens import Held
from app.errors import HoldfastError
from app.flow import due_letters, event
from app.flow.bus import log as fact_log
from app.resilience.failures import is_passing
from app.resilience.guard import Resource, guard
from app.resilience.memory import Memory
from app.shopify.tokens import InvalidSubjectError
from app.shopify.verify import Staff
from app.telemetry import logs, product, traces

ROWS = Resource("shop rows", room=rooms.ADMIN, by_shop=True)
# the page waits for it, and opens without it afterwards
OPENINGS = Resource("shop opening", room=rooms.OPENINGS, by_shop=True)
AGAIN_SECONDS = 30.0
SHOPS_MAX = 10_000

log = logs.logger()
# so that a page does not wait for Shopify again and again
_failed_at: Memory[str, float] = Memory(SHOPS_MAX)

# Details are forgotten with a reinstall: `name` stays empty until Shopify has told them again.
INSTALL = """
INSERT INTO shops (domain, name, currency, timezone, status, plan, scopes, token_version,
                   installed_at)
VALUES ($1, '', 'USD', 'UTC', 'active', 'standard', '', 0, now())
ON CONFLICT (domain) DO UPDATE
   SET status = 'active', name = '', installed_at = now(), uninstalled_at = NULL, scopes = '',
       token_version = shops.token_version + 1, token_claimed_until = NULL
 WHERE shops.status = 'uninstalled'
RETURNING domain
"""
DESCRIBE = """
UPDATE shops SET name = $2, currency = $3,
                 timezone = $4 WHERE domain = $1 AND name = '' AND status <> 'uninstalled'
RETURNING domain
"""


async def opened(staff: Staff, id_token: str, client: httpx.AsyncClient, config: Config) -> bool:
    """Make sure that the shop is installed, has tokens and is described; one read when all of that
    is so.

    A valid token for an unknown shop installs it, for an uninstalled one installs it again: with
    installation managed by Shopify there is no other sign of it. While Postgres or Shopify are away
    the page opens all the same, and a later opening brings what is missing. False when Shopify did
    not take the id token: ask the browser for a fresh one.
    """
    try:
        found = await guard(ROWS, lambda: _installed(staff.shop, config))
        if _is_complete(found) or _failed_lately(staff.shop):
            return True
        await guard(OPENINGS, lambda: _complete(found, id_token, client, config))
    except InvalidSubjectError:
        # the next token opens the page even if Shopify takes that one neither
        _failed_at.put(staff.shop, time.monotonic())
        return False
    except Exception as error:
        _failed_at.put(staff.shop, time.monotonic())
        is_known = isinstance(error, HoldfastError) or is_passing(error)
        log.warning(
            "shop not set up yet",
            shop=staff.shop,
            reason=type(error).__name__,
            exc_info=not is_known,
        )
    return True


async def _installed(shop: str, config: Config) -> Held:
    found = await tokens.held(shop)
    if found is None or found.status == "uninstalled":
        async with db.connection() as connection:
            if await connection.fetchval(INSTALL, shop):
                log.info("shop installed", shop=shop)
                product.track(product.AppInstalled(), shop, config)
        _failed_at.drop(shop)
        found = await tokens.held(shop)
    assert found is not None, "shops are never deleted while they open the app"
    return found


def _is_complete(found: Held) -> bool:
    return found.status == "active" and found.has_grant() and found.name != ""


def _failed_lately(shop: str) -> bool:
    failed_at = _failed_at.get(shop)
    return failed_at is not None and time.monotonic() - failed_at < AGAIN_SECONDS


async def _complete(found: Held, id_token: str, client: httpx.AsyncClient, config: Config) -> None:
    has_tokens = found.status == "active" and found.has_grant()
    if not has_tokens and not await tokens.acquire(found, id_token, client, config):
        return  # another request of the same opening is at it, and does the rest
    if found.name == "":
        data = await admin_api.call(client, config, found.domain, "shop", {})
        await _describe(found.domain, data["shop"])


async def _describe(shop: str, details: dict[str, Any]) -> None:
    """Keep the details and tell the services, once an installation."""
    told = {
        "currency": details["currencyCode"],
        "timezone": details["ianaTimezone"],
        "name": details["name"] or shop,
    }
    trace = traces.carrier()
    async with db.transaction() as connection:
        if await connection.fetchval(
            DESCRIBE, shop, told["name"], told["currency"], told["timezone"]
        ):
            await fact_log.append(
                connection, [event.new("shop.installed", shop, shop, told, trace=trace)]
            )
            # what was sold before the app was opened
            await due_letters.come_due(connection, "ingest", shop)
