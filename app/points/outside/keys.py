"""The key a shop's own server proves itself by: shown once, kept as a hash."""

import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from app import db, text
from app.errors import UnauthorizedError

SECRET_BYTES = 24
HINT_LENGTH = 4
WRONG = "This key is not valid. Make a new one on the page Ways to earn."
_KEY = re.compile(r"hfk_([a-z0-9][a-z0-9-]{0,62})_([A-Za-z0-9_-]{20,64})", re.ASCII)
UPSERT = """
INSERT INTO api_keys (shop, secret_hash, hint, made_by, made_at) VALUES ($1, $2, $3, $4, now())
ON CONFLICT (shop) DO UPDATE
   SET secret_hash = excluded.secret_hash, hint = excluded.hint, made_by = excluded.made_by,
       made_at = excluded.made_at
"""
SELECT = "SELECT hint, made_by, made_at FROM api_keys WHERE shop = $1"
SELECT_HASH = "SELECT secret_hash FROM api_keys WHERE shop = $1"
DELETE = "DELETE FROM api_keys WHERE shop = $1"
NO_HASH = bytes(32)


@dataclass(frozen=True, slots=True)
class KeyView:
    """What is shown of a key: nothing it could be used with."""

    hint: str
    made_by: str
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Claimed:
    """Who a request says it is, before its secret was looked at."""

    shop: str
    secret: str
    customer_id: None = None


async def make(shop: str, by: str) -> str:
    """A new key of the shop, to be shown now and never again; the one before ends with it."""
    handle = shop.removesuffix(".myshopify.com")
    key = f"hfk_{handle}_{secrets.token_urlsafe(SECRET_BYTES)}"
    hashed = _hash(claimed(key).secret)
    async with db.connection() as conn:
        await conn.execute(UPSERT, shop, hashed, key[-HINT_LENGTH:], text.clean(by, 64))
    return key


async def remove(shop: str) -> None:
    """End the shop's key; without one nothing is changed."""
    async with db.connection() as conn:
        await conn.execute(DELETE, shop)


async def of_shop(shop: str) -> KeyView | None:
    """What there is to show of the shop's key."""
    async with db.connection() as conn:
        row = await conn.fetchrow(SELECT, shop)
    return KeyView(**row) if row else None


def claimed(key: str) -> Claimed:
    """The shop a key names, and its secret. Raises UnauthorizedError for what is no key."""
    found = _KEY.fullmatch(key)
    if found is None:
        raise UnauthorizedError(WRONG)
    return Claimed(f"{found[1]}.myshopify.com", found[2])


async def check(who: Claimed) -> None:
    """Raises UnauthorizedError unless the secret is that of the shop's key; in constant time."""
    async with db.connection() as conn:
        kept = await conn.fetchval(SELECT_HASH, who.shop)
    if not hmac.compare_digest(bytes(kept or NO_HASH), _hash(who.secret)):
        raise UnauthorizedError(WRONG)


def _hash(secret: str) -> bytes:
    # of 24 random bytes: nobody tries them all, so one round is enough
    return sha256(b"holdfast key " + secret.encode()).digest()
