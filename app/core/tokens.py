"""A shop's access token: kept encrypted, renewed before it ends, by one process at a time.

Whoever renews first takes a claim on the shop's row: one short statement, no transaction and no
connection held over the network call. The claim lapses by itself, so a killed process leaves
nothing locked. It lives in Postgres because the tokens do: Redis being away must not let two
processes renew at once. What a claimant that was paused for too long brings home is fenced off by
`token_version`, which every change of the tokens raises.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from app import db
from app.config import Config
from app.errors import HoldfastError, NotFoundError, UnavailableError
from app.shopify import tokens
from app.shopify.tokens import REFRESH_BEFORE_SECONDS, Grant, GrantLostError
from app.telemetry import logs

CLAIM_SECONDS = 15  # three times what a renewal may take
WAIT_SECONDS = 4.0  # for another process to renew, when there is no token to use meanwhile
POLL_SECONDS = 0.1
IDLE_DAYS = 7  # Shopify ends a grant that nobody uses for 90 days
IDLE_BATCH = 100
UNANSWERED_MAX = 5
NEEDS_REOPEN = "Holdfast has no access to the shop any more. Please open it once in Shopify admin."

log = logs.logger()

READ = """
SELECT domain, status, name, access_token, access_expires_at, refresh_token, refresh_expires_at,
       token_version
  FROM shops WHERE domain = $1
"""
CLAIM = """
UPDATE shops SET token_claimed_until = now() + make_interval(secs => $3)
 WHERE domain = $1 AND token_version = $2 AND (token_claimed_until IS NULL OR token_claimed_until <
       now())
RETURNING domain
"""
UNCLAIM = "UPDATE shops SET token_claimed_until = NULL WHERE domain = $1 AND token_version = $2"
STORE = """
UPDATE shops
   SET access_token = $3, access_expires_at = $4, refresh_token = $5, refresh_expires_at = $6,
       scopes = $7,
       status = 'active', token_version = token_version + 1, token_claimed_until = NULL
 WHERE domain = $1 AND token_version = $2 AND status <> 'uninstalled'
RETURNING domain
"""
LOSE = """
UPDATE shops
   SET status = 'needs_reopen', access_token = NULL, access_expires_at = NULL, refresh_token = NULL,
       refresh_expires_at = NULL, token_version = token_version + 1, token_claimed_until = NULL
 WHERE domain = $1 AND token_version = $2 AND status = 'active'
"""
IDLE = """
SELECT domain FROM shops
 WHERE status = 'active' AND refresh_token IS NOT NULL AND access_expires_at < now() -
       make_interval(days => $1)
 ORDER BY access_expires_at LIMIT $2
"""


@dataclass(frozen=True, slots=True)
class Held:
    """What a shop's row says of its tokens, still encrypted."""

    domain: str
    status: str
    name: str  # empty until Shopify has told the shop's details
    access_token: bytes | None = field(repr=False)
    access_expires_at: datetime | None
    refresh_token: bytes | None = field(repr=False)
    refresh_expires_at: datetime | None
    token_version: int

    def is_usable(self, margin_seconds: float = 0.0) -> bool:
        """Whether the access token is good for at least `margin_seconds` more."""
        return self.access_token is not None and _is_ahead(self.access_expires_at, margin_seconds)

    def has_grant(self) -> bool:
        """Whether calls can go on without a merchant opening the app."""
        if self.refresh_token is not None:
            return _is_ahead(self.refresh_expires_at, 0.0)
        return self.access_token is not None and self.access_expires_at is None


def _is_ahead(moment: datetime | None, margin_seconds: float) -> bool:
    return moment is None or moment > datetime.now(UTC) + timedelta(seconds=margin_seconds)


async def held(shop: str) -> Held | None:
    """The shop's row, or None when it never installed the app."""
    async with db.connection() as connection:
        row = await connection.fetchrow(READ, shop)
    return Held(**dict(row)) if row else None


async def access_token(shop: str, client: httpx.AsyncClient, config: Config) -> str:
    """A token that is good for the next calls of Shopify's Admin API; take it at the moment of the
    call.

    Raises NotFoundError for a shop without the app, GrantLostError (permanent) when its merchant
    must open the app first, UnavailableError when Shopify does not answer.
    """
    found = await _installed(shop)
    if found.is_usable(REFRESH_BEFORE_SECONDS) and found.access_token:
        return await _open(found, found.access_token, config)
    return await _renewed(found, client, config, keep=found.is_usable(margin_seconds=5))


async def renew(shop: str, client: httpx.AsyncClient, config: Config, refused: str) -> str:
    """Another token than `refused`, which Shopify did not accept. Raises as `access_token` does."""
    found = await _installed(shop)
    if found.access_token and await _open(found, found.access_token, config) != refused:
        return await access_token(shop, client, config)
    return await _renewed(found, client, config, keep=False)


async def renew_idle(client: httpx.AsyncClient, config: Config) -> int:
    """Renew grants unused for a week, so that a quiet shop's does not end; how many were
    renewed.
    """
    async with db.connection() as connection:
        rows = await connection.fetch(IDLE, IDLE_DAYS, IDLE_BATCH)
    renewed = unanswered = 0
    for row in rows:
        try:
            await access_token(row["domain"], client, config)
            renewed += 1
        except HoldfastError as error:
            log.warning("idle grant not renewed", shop=row["domain"], reason=error.code)
            unanswered += isinstance(error, UnavailableError)
        if unanswered == UNANSWERED_MAX:
            break  # Shopify is away: the next round is soon enough
    return renewed


async def acquire(found: Held, id_token: str, client: httpx.AsyncClient, config: Config) -> bool:
    """Exchange a member of staff's id token for the shop's tokens; False when another process is at
    it.

    Raises InvalidSubjectError, GrantRefusedError (permanent), UnavailableError.
    """
    if not await _claim(found):
        return False
    try:
        grant = await tokens.exchange(client, config, found.domain, id_token)
    except BaseException:
        await _change(UNCLAIM, found)
        raise
    return await _store(found, grant, config)


async def _installed(shop: str) -> Held:
    found = await held(shop)
    if found is None or found.status == "uninstalled":
        raise NotFoundError("The shop has not installed Holdfast.")
    if found.status == "needs_reopen":
        raise GrantLostError(NEEDS_REOPEN)
    return found


async def _renewed(found: Held, client: httpx.AsyncClient, config: Config, *, keep: bool) -> str:
    """The token after a renewal; with `keep`, the present one while Shopify or another process
    is at it.
    """
    if found.refresh_token is None:
        raise GrantLostError(NEEDS_REOPEN)
    present = (
        await _open(found, found.access_token, config) if keep and found.access_token else None
    )
    refresh_token = await _open(found, found.refresh_token, config)
    if not await _claim(found):
        return present or await _by_another(found, config)
    try:
        grant = await tokens.refresh(client, config, found.domain, refresh_token)
    except GrantLostError:
        await _change(LOSE, found)
        log.warning("shop needs to be opened again", shop=found.domain)
        raise
    except UnavailableError:
        await _change(UNCLAIM, found)
        if present is None:
            raise
        return present
    except BaseException:
        await _change(UNCLAIM, found)
        raise
    if await _store(found, grant, config):
        return grant.access_token
    return await _by_another(found, config)


async def _open(found: Held, stored: bytes, config: Config) -> str:
    """The token in plain text. One that no key of ours opens is lost, and the next opening of
    the app replaces it.
    """
    try:
        return tokens.decrypt(config, stored)
    except GrantLostError:
        await _change(LOSE, found)
        raise


async def _by_another(found: Held, config: Config) -> str:
    """The token that another process brings."""
    deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        now = await _installed(found.domain)
        if now.token_version != found.token_version and now.access_token and now.is_usable():
            return await _open(now, now.access_token, config)
        await asyncio.sleep(POLL_SECONDS)
    raise UnavailableError("The shop's access is being renewed; please try again in a moment.")


async def _claim(found: Held) -> bool:
    async with db.connection() as connection:
        claimed = await connection.fetchval(CLAIM, found.domain, found.token_version, CLAIM_SECONDS)
    return claimed is not None


async def _store(found: Held, grant: Grant, config: Config) -> bool:
    """Both tokens with their ends in one statement; False when the row went on without us, as
    by an uninstall.
    """
    refresh_token = tokens.encrypt(config, grant.refresh_token) if grant.refresh_token else None
    values: tuple[Any, ...] = (
        tokens.encrypt(config, grant.access_token),
        grant.access_expires_at,
        refresh_token,
        grant.refresh_expires_at,
        grant.scopes,
    )
    async with db.connection() as connection:
        stored = await connection.fetchval(STORE, found.domain, found.token_version, *values)
    return stored is not None


async def _change(statement: str, found: Held) -> None:
    async with db.connection() as connection:
        await connection.execute(statement, found.domain, found.token_version)
