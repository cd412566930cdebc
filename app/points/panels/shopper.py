"""What shoppers see of points: their balance, what it buys, and how it grows."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, NamedTuple

from starlette.requests import Request

from app import replica
from app.db import Stores
from app.errors import UnauthorizedError, UnavailableError
from app.flow.lanes import backlog
from app.points.members import account, own, reads
from app.points.panels import balance, offers, redeeming
from app.points.panels.balance import READS
from app.points.rewards import reads as rewards_reads
from app.points.views import Balance, Program, RewardView
from app.replica import TooOldError
from app.resilience import cache, reading, replicas
from app.resilience.memory import Memory
from app.resilience.reading import Reading
from app.web.api import Caller
from app.web.shopper import Part

BEHIND = "Updates are on their way."
NOT_SHOWN = "This cannot be shown at this moment. Your points are safe; please try again soon."
SHELF_MEMORY_SECONDS = 2.0  # an edited reward shows after this and SHELF_FRESH_SECONDS at most
SHELF_FRESH_SECONDS = 5.0
# a code used in an order that gave no points moved none: it goes from the list after this
ACCOUNT_FRESH_SECONDS = 60.0
PAGE_KEEP_SECONDS = 3_600
MEMORY_ENTRIES_MAX = 4_096
PAUSED = "The program is paused. Your points are safe."
# what shoppers see of a programme that is not live
CLOSED: dict[str, dict[str, Any]] = {
    "draft": {"rewards": [], "ways_to_earn": []},
    "paused": {"rewards": [], "ways_to_earn": [], "notices": [PAUSED]},
}
NOBODY = redeeming.points(reading.unavailable())
NO_ACCOUNT: dict[str, Any] = {
    "redemptions": [],
    "codes": [],
    "codes_next": "",
    "coming": [],
    "ending": [],
    "had": {},  # how often which reward
    "belongs": {},  # the tiers and segments of the shopper
}
NOT_KNOWN: dict[str, Any] = {**NO_ACCOUNT, "codes": None, "coming": None, "ending": None}
UNKNOWN: dict[str, Any] = {
    "points": NOBODY,
    "rewards": [],
    "ways_to_earn": [],
    "notices": [BEHIND],
    **{name: value for name, value in NOT_KNOWN.items() if name not in {"had", "belongs"}},
}


class Remembered(NamedTuple):
    """An account as it was at a sequence of its member, with days in a time zone."""

    sequence: int
    time_zone: str
    at: float  # seconds of this process' clock
    told: dict[str, Any]


async def me(stores: Stores, caller: Caller) -> dict[str, Any]:
    """Balance, codes, dates and notices of somebody who is signed in; for everybody the offer."""
    shelf = await _shelf(stores, caller.shop)
    if caller.customer_id is None:
        rewards = offers.to_shopper(shelf["rewards"], None, {}, None)
        return {"points": NOBODY, **shelf, "rewards": rewards}
    found = await balance.balance(stores, caller.shop, caller.customer_id)
    time_zone = shelf.get("time_zone", "")
    told = await _account(stores, caller.shop, caller.customer_id, found.value, time_zone)
    available = found.value.available if found.value else None
    told, had, belongs = {**told}, told["had"], told["belongs"]
    del told["had"], told["belongs"]
    return {
        "points": redeeming.points(found),
        **shelf,
        "rewards": offers.to_shopper(shelf["rewards"], available, had, belongs),
        "notices": [
            *shelf.get("notices", ()),
            *await _notices(stores, caller.shop, found),
        ],
        **told,
    }


async def history(request: Request, caller: Caller) -> tuple[int, dict[str, Any]]:
    """A page of what happened to the points: `{"history": […], "next": "…"}`; `?after=` asks for
    the page at that place.
    """
    place = account.history_place(request.query_params.get("after", ""))
    shelf = await _shelf(request.state.stores, caller.shop)
    time_zone = shelf.get("time_zone", "UTC")

    async def load(customer_id: str, sequence: int) -> dict[str, Any]:
        if replica.lent():  # it is kept as the page of this very balance
            known = await reads.balance(caller.shop, customer_id)
            if known.sequence < sequence:
                raise TooOldError("The replica has not heard of the newest movement.")
        movements, after = await own.history(caller.shop, customer_id, time_zone, place)
        return {"history": [asdict(one) for one in movements], "next": after}

    return await _page(request, caller, f"history:{time_zone}:{place}", load, may_be_old=True)


async def codes(request: Request, caller: Caller) -> tuple[int, dict[str, Any]]:
    """A page of the codes behind those of `me`, in its shape: `{"codes": […], "next": "…"}`."""
    place = account.code_place(request.query_params.get("after", ""))

    async def load(customer_id: str, _: int) -> dict[str, Any]:
        found, after = await own.codes(caller.shop, customer_id, place)
        return {"codes": [balance.redemption(view) for view in found], "next": after}

    return await _page(request, caller, f"codes:{place}", load)


PART = Part(
    "points",
    me,
    UNKNOWN,
    (
        ("redemptions", {"POST": redeeming.redeem}),
        ("history", {"GET": history}),
        ("codes", {"GET": codes}),
    ),
)


async def _page(
    request: Request,
    caller: Caller,
    name: str,
    load: Callable[[str, int], Awaitable[dict[str, Any]]],
    *,
    may_be_old: bool = False,
) -> tuple[int, dict[str, Any]]:
    """A page is right as long as the balance's sequence is, and kept under that number; it says
    how old the balance is that it belongs to.
    """
    shop, customer_id = caller.shop, caller.customer_id
    if customer_id is None:
        raise UnauthorizedError("Please sign in to see your points.", code="sign_in")
    stores: Stores = request.state.stores
    found = await balance.balance(stores, shop, customer_id)
    if found.value is None:
        raise UnavailableError(NOT_SHOWN)
    sequence = found.value.sequence
    with replicas.may_serve(is_allowed=may_be_old):
        page: Reading[dict[str, Any]] = await cache.read_through(
            stores.cache,
            f"cache:{name}:{{{shop}}}:{customer_id}:{sequence}",
            lambda: load(customer_id, sequence),
            READS,
            fresh_seconds=ACCOUNT_FRESH_SECONDS,
            keep_seconds=PAGE_KEEP_SECONDS,
            may_be_old=may_be_old,
        )
    if page.value is None:
        raise UnavailableError(NOT_SHOWN)
    return 200, {**page.value, "as_of": found.as_of, "source": found.source}


async def _notices(stores: Stores, shop: str, found: Reading[Balance]) -> list[str]:
    if found.is_live:
        return []
    waiting = await backlog.remembered(stores, shop)
    if waiting.behind_since is None:
        return [BEHIND]
    return [BEHIND, f"{waiting.waiting:,} updates of this shop are waiting."]


async def _account(
    stores: Stores, shop: str, customer_id: str, found: Balance | None, time_zone: str
) -> dict[str, Any]:
    """Redemptions, codes and dates. Nearly each of their changes moves points, so that they are
    right as long as the balance's sequence is: remembered here and in the cache under that number,
    they cost the warm path nothing.
    """
    kept = _accounts.get((shop, customer_id))
    told = kept.told if kept else NOT_KNOWN
    if found is None or not time_zone or (kept and _is_right(kept, found, time_zone)):
        return told
    if found.sequence == 0:
        return NO_ACCOUNT

    async def load() -> dict[str, Any]:
        loaded = await own.account(shop, customer_id, time_zone)
        return {
            "redemptions": [balance.redemption(view) for view in loaded.redemptions],
            "codes": [balance.redemption(view) for view in loaded.codes],
            "codes_next": loaded.codes_next,
            "coming": [asdict(one) for one in loaded.coming],
            "ending": [asdict(one) for one in loaded.ending],
            "had": loaded.had,
            "belongs": loaded.belongs,
        }

    key = f"cache:own:{{{shop}}}:{customer_id}:{time_zone}:{found.sequence}"
    page: Reading[dict[str, Any]] = await cache.read_through(
        stores.cache, key, load, READS, fresh_seconds=ACCOUNT_FRESH_SECONDS
    )
    if page.value is None:
        return told
    now = time.monotonic()
    _accounts.put((shop, customer_id), Remembered(found.sequence, time_zone, now, page.value))
    return page.value


def _is_right(kept: Remembered, found: Balance, time_zone: str) -> bool:
    age_seconds = time.monotonic() - kept.at
    is_same = (kept.sequence, kept.time_zone) == (found.sequence, time_zone)
    return is_same and age_seconds < ACCOUNT_FRESH_SECONDS


async def _shelf(stores: Stores, shop: str) -> dict[str, Any]:
    """What a shop offers, the same for all its shoppers: rewards and ways to earn."""
    remembered = _shelves.get(shop)
    if remembered and time.monotonic() - remembered[0] < SHELF_MEMORY_SECONDS:
        return remembered[1]

    async def load() -> dict[str, Any]:
        program = await reads.program(shop)
        rewards = await reads.rewards(shop, active_only=True)
        tiers = (
            await rewards_reads.tier_names(shop)
            if any(one.details.tiers for one in rewards)
            else {}
        )
        is_live = program.state == "live"
        told = offer(program, rewards, tiers) if is_live else CLOSED[program.state]
        return {"time_zone": program.timezone, **told}

    found: Reading[dict[str, Any]] = await cache.read_through(
        stores.cache, f"cache:offer:{{{shop}}}", load, READS, fresh_seconds=SHELF_FRESH_SECONDS
    )
    shelf = found.value or CLOSED["draft"]
    _shelves.put(shop, (time.monotonic(), shelf))
    return shelf


def offer(
    program: Program, rewards: Sequence[RewardView], tiers: Mapping[str, str]
) -> dict[str, Any]:
    """What these rules and rewards offer to shoppers."""
    return {
        "rewards": offers.shelf(rewards, program.currency, datetime.now(UTC), tiers),
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
    _accounts.clear()
    _shelves.clear()


_accounts: Memory[tuple[str, str], Remembered] = Memory(MEMORY_ENTRIES_MAX)
_shelves: Memory[str, tuple[float, dict[str, Any]]] = Memory(MEMORY_ENTRIES_MAX)
