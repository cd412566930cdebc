"""What shoppers see of points: their balance, what it buys, and how it grows."""

import time
from collections.abc import Sequence
from typing import Any

from app.db import Stores
from app.flow.lanes import backlog
from app.points.members import reads
from app.points.panels import balance, redeeming
from app.points.panels.balance import NOBODY, READS
from app.points.views import Balance, Program, RewardView
from app.resilience import cache
from app.resilience.memory import Memory
from app.resilience.reading import Reading
from app.web.api import Caller
from app.web.shopper import Part

BEHIND = "Updates are on their way."
SHELF_MEMORY_SECONDS = 2.0  # an edited reward shows after this and SHELF_FRESH_SECONDS at most
SHELF_FRESH_SECONDS = 5.0
MEMORY_ENTRIES_MAX = 4_096
PAUSED = "The program is paused. Your points are safe."
# what shoppers see of a programme that is not live
CLOSED: dict[str, dict[str, Any]] = {
    "draft": {"rewards": [], "ways_to_earn": []},
    "paused": {"rewards": [], "ways_to_earn": [], "notices": [PAUSED]},
}
UNKNOWN: dict[str, Any] = {"points": NOBODY, "rewards": [], "ways_to_earn": [], "notices": [BEHIND]}


async def me(stores: Stores, caller: Caller) -> dict[str, Any]:
    """Balance, redemptions and notices of somebody who is signed in; for everybody the offer."""
    shelf = await _shelf(stores, caller.shop)
    if caller.customer_id is None:
        return {"points": NOBODY, **shelf}  # a copy: who puts the parts together takes from it
    reading = await balance.balance(stores, caller.shop, caller.customer_id)
    return {
        "points": balance.points(reading),
        **shelf,
        "notices": [
            *shelf.get("notices", ()),
            *await _notices(stores, caller.shop, reading),
        ],
        "redemptions": await _redemptions(stores, caller.shop, caller.customer_id, reading.value),
    }


PART = Part("points", me, UNKNOWN, (("redemptions", {"POST": redeeming.redeem}),))


async def _notices(stores: Stores, shop: str, reading: Reading[Balance]) -> list[str]:
    if reading.is_live:
        return []
    waiting = await backlog.remembered(stores, shop)
    if waiting.behind_since is None:
        return [BEHIND]
    return [BEHIND, f"{waiting.waiting:,} updates of this shop are waiting."]


async def _redemptions(
    stores: Stores, shop: str, customer_id: str, found: Balance | None
) -> list[dict[str, Any]]:
    """The newest redemptions. Each of their changes moves points, so that a list is right as
    long as the balance's sequence is: it is remembered here and in the cache under that number,
    and costs the warm path nothing.
    """
    remembered = _lists.get((shop, customer_id))
    if found is None or (remembered and remembered[0] == found.sequence):
        return remembered[1] if remembered else []
    if found.sequence == 0:
        return []

    async def load() -> list[dict[str, Any]]:
        return [balance.redemption(view) for view in await reads.redemptions(shop, customer_id)]

    key = f"cache:redemptions:{shop}:{customer_id}:{found.sequence}"
    reading: Reading[list[dict[str, Any]]] = await cache.read_through(
        stores.cache, key, load, READS, fresh_seconds=cache.KEEP_SECONDS
    )
    if reading.value is None:
        return remembered[1] if remembered else []
    _lists.put((shop, customer_id), (found.sequence, reading.value))
    return reading.value


async def _shelf(stores: Stores, shop: str) -> dict[str, Any]:
    """What a shop offers, the same for all its shoppers: rewards and ways to earn."""
    remembered = _shelves.get(shop)
    if remembered and time.monotonic() - remembered[0] < SHELF_MEMORY_SECONDS:
        return remembered[1]

    async def load() -> dict[str, Any]:
        program = await reads.program(shop)
        rewards = await reads.rewards(shop, active_only=True)
        return offer(program, rewards) if program.state == "live" else CLOSED[program.state]

    reading: Reading[dict[str, Any]] = await cache.read_through(
        stores.cache, f"cache:shelf:{shop}", load, READS, fresh_seconds=SHELF_FRESH_SECONDS
    )
    shelf = reading.value or CLOSED["draft"]
    _shelves.put(shop, (time.monotonic(), shelf))
    return shelf


def offer(program: Program, rewards: Sequence[RewardView]) -> dict[str, Any]:
    """What these rules and rewards offer to shoppers."""
    return {
        "rewards": [
            {
                "id": reward.id,
                "title": reward.title,
                "cost": reward.cost,
                "amount_off": str(reward.amount_off),
                "currency": program.currency,
            }
            for reward in rewards
        ],
        "ways_to_earn": [
            {
                "kind": "order",
                "points": f"{program.rate.normalize():f}",
                "per": "1",
                "currency": program.currency,
                "pending_days": program.pending_days,
            }
        ],
    }


def forget() -> None:
    """Drop what this process remembers (for tests)."""
    _lists.clear()
    _shelves.clear()


_lists: Memory[tuple[str, str], tuple[int, list[dict[str, Any]]]] = Memory(MEMORY_ENTRIES_MAX)
_shelves: Memory[str, tuple[float, dict[str, Any]]] = Memory(MEMORY_ENTRIES_MAX)
