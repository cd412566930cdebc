"""What is kept of a shopper's account under the sequence of its balance, so that asking again costs
nothing.
"""

import time
from dataclasses import asdict
from typing import Any, NamedTuple

import msgspec

from app.db import Stores
from app.points.members import own
from app.points.panels import balance, tier
from app.points.panels.balance import READS
from app.points.views import Balance
from app.resilience import cache
from app.resilience.memory import Memory
from app.resilience.reading import Reading

# a code used in an order that gave no points moved none: it goes from the list after this
FRESH_SECONDS = 60.0
ENTRIES_MAX = 4_096
NOTHING: dict[str, Any] = {
    "redemptions": [],
    "codes": [],
    "codes_next": "",
    "coming": [],
    "ending": [],
    "tier": None,
    "rewards_had": {},  # how often which reward
    "belongs": {},  # the tiers and segments of the shopper
}
# what an account tells us, and no shopper: they see it in what is offered to them
OWN = frozenset({"had", "rewards_had", "belongs"})
NOT_KNOWN: dict[str, Any] = {**NOTHING, "codes": None, "coming": None, "ending": None}


class Remembered(NamedTuple):
    """An account as it was at a sequence of its member, with days in a time zone."""

    sequence: int
    time_zone: str
    at: float  # seconds of this process' clock
    told: dict[str, Any]


async def account(
    stores: Stores, shop: str, customer_id: str, found: Balance | None, shelf: dict[str, Any]
) -> dict[str, Any]:
    """Redemptions, codes, dates, the tier and what was earned by which way. Nearly each of their
    changes moves points, so that they are right as long as the balance's sequence is: remembered
    here and in the cache under that number, they cost the warm path nothing.
    """
    time_zone = shelf.get("time_zone", "")
    before = _accounts.get((shop, customer_id))
    told = before.told if before else NOT_KNOWN
    if found is None or not time_zone or (before and _is_right(before, found, time_zone)):
        return told

    async def load() -> dict[str, Any]:
        known = await own.account(shop, customer_id, time_zone)
        loaded = known.account
        return {
            "had": msgspec.to_builtins(loaded.had),
            "redemptions": [balance.redemption(view) for view in loaded.redemptions],
            "codes": [balance.redemption(view) for view in loaded.codes],
            "codes_next": loaded.codes_next,
            "coming": [asdict(one) for one in loaded.coming],
            "ending": [asdict(one) for one in loaded.ending],
            "tier": tier.standing(known.tier),
            "rewards_had": loaded.rewards_had,
            "belongs": loaded.belongs,
        }

    key = _key(shop, customer_id, time_zone, found.sequence)
    page: Reading[dict[str, Any]] = await cache.read_through(
        stores.cache, key, load, READS, fresh_seconds=FRESH_SECONDS
    )
    if page.value is None:
        return told
    now = time.monotonic()
    _accounts.put((shop, customer_id), Remembered(found.sequence, time_zone, now, page.value))
    return page.value


async def drop(stores: Stores, shop: str, customer_id: str, time_zone: str, sequence: int) -> None:
    """Forget an account of which something changed that moved no points."""
    _accounts.drop((shop, customer_id))
    await cache.drop(stores.cache, _key(shop, customer_id, time_zone, sequence))


def forget() -> None:
    """Drop what this process remembers (for tests)."""
    _accounts.clear()


def _key(shop: str, customer_id: str, time_zone: str, sequence: int) -> str:
    return f"cache:account:{{{shop}}}:{customer_id}:{time_zone}:{sequence}"


def _is_right(before: Remembered, found: Balance, time_zone: str) -> bool:
    age_seconds = time.monotonic() - before.at
    is_same = (before.sequence, before.time_zone) == (found.sequence, time_zone)
    return is_same and age_seconds < FRESH_SECONDS


_accounts: Memory[tuple[str, str], Remembered] = Memory(ENTRIES_MAX)
