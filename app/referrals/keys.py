"""The secret of a shop: codes nobody can guess, and digests nobody can read back without it."""

import hmac
import os
import secrets
import time
from collections.abc import Iterable, Sequence
from functools import lru_cache

from cryptography.fernet import Fernet, MultiFernet

from app.db import Connection
from app.resilience.memory import Memory

LINK_LENGTH, CODE_LENGTH, DIGEST_LENGTH = 10, 10, 32
# without letters that are taken for another one
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
REMEMBERED_SECONDS = 60.0
SELECT = "SELECT shop, sealed FROM referral_keys WHERE shop = ANY($1::text[])"
MAKE = """
INSERT INTO referral_keys (shop, sealed) SELECT * FROM unnest($1::text[], $2::bytea[])
ON CONFLICT (shop) DO NOTHING
"""


class Secret(bytes):
    """Of one shop; it is kept sealed by TOKEN_KEYS, and outlives the change of these."""

    def link_code(self, customer_id: str, number: int = 0) -> str:
        """The code of a customer's link, always the same; `number` counts codes that were taken."""
        return _letters(self._digest(f"link:{customer_id}:{number}"), LINK_LENGTH)

    def digest(self, kind: str, value: str) -> str:
        """What stands for a value of that kind; empty for none."""
        return self._digest(f"{kind}:{value}").hex()[:DIGEST_LENGTH] if value else ""

    def _digest(self, text: str) -> bytes:
        return hmac.digest(self, text.encode(), "sha256")


async def of_shops(
    conn: Connection, token_keys: Sequence[str], shops: Iterable[str]
) -> dict[str, Secret]:
    """The secrets of shops; one that has none yet gets it in the transaction open on `conn`."""
    now = time.monotonic()
    wanted = sorted(set(shops))
    found = {
        shop: kept[1]
        for shop in wanted
        if (kept := _known.get(shop)) and now - kept[0] < REMEMBERED_SECONDS
    }
    if not (missing := [shop for shop in wanted if shop not in found]):
        return found
    box = _box(tuple(token_keys))
    rows = await conn.fetch(SELECT, missing)
    if new := sorted(set(missing) - {row["shop"] for row in rows}):
        await conn.execute(MAKE, new, [box.encrypt(os.urandom(32)) for _ in new])
        rows = await conn.fetch(SELECT, missing)
    else:  # what this transaction made may be rolled back: it is not remembered
        for row in rows:
            _known.put(row["shop"], (now, Secret(box.decrypt(bytes(row["sealed"])))))
    return found | {row["shop"]: Secret(box.decrypt(bytes(row["sealed"]))) for row in rows}


async def of_shop(conn: Connection, token_keys: Sequence[str], shop: str) -> Secret:
    """The secret of one shop."""
    return (await of_shops(conn, token_keys, [shop]))[shop]


def friend_code() -> str:
    """A new discount code; it is kept before it is used, so that it is found again."""
    return "FRIEND-" + _letters(secrets.token_bytes(CODE_LENGTH), CODE_LENGTH).upper()


def forget() -> None:
    """Drop what this process remembers (for tests)."""
    _known.clear()


def _letters(digest: bytes, length: int) -> str:
    return "".join(ALPHABET[byte % len(ALPHABET)] for byte in digest[:length])


@lru_cache(maxsize=4)
def _box(token_keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in token_keys])


_known: Memory[str, tuple[float, Secret]] = Memory(1_024)
