"""What shoppers see of points: their balance, what it buys, and how it grows."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request

from app import replica
from app.db import Stores
from app.errors import UnauthorizedError, UnavailableError
from app.flow.lanes import backlog
from app.points.members import account, own, reads
from app.points.panels import balance, earning, kept, offers, redeeming, tier
from app.points.panels.balance import READS
from app.points.views import Balance, Program, RewardView
from app.points.ways import reads as ways_reads
from app.points.ways.reads import WayView
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
PAGE_KEEP_SECONDS = 3_600
MEMORY_ENTRIES_MAX = 4_096
PAUSED = "The program is paused. Your points are safe."
# what shoppers see of a programme that is not live
CLOSED: dict[str, dict[str, Any]] = {
    "draft": {"rewards": [], "ways_to_earn": []},
    "paused": {"rewards": [], "ways_to_earn": [], "notices": [PAUSED]},
}
NOBODY = redeeming.points(reading.unavailable())
UNKNOWN: dict[str, Any] = {
    "points": NOBODY,
    "rewards": [],
    "ways_to_earn": [],
    "birthday": None,
    "notices": [BEHIND],
    "tiers": [],
    **{name: value for name, value in kept.NOT_KNOWN.items() if name not in kept.OWN},
}


async def me(stores: Stores, caller: Caller) -> dict[str, Any]:
    """Balance, codes, dates and notices of somebody who is signed in; for everybody the offer."""
    shelf = await _shelf(stores, caller.shop)
    if caller.customer_id is None:
        return {"points": NOBODY, **shelf, **_offered(shelf, None, {}, is_signed_in=False)}
    found = await balance.balance(stores, caller.shop, caller.customer_id)
    told = await kept.account(stores, caller.shop, caller.customer_id, found.value, shelf)
    available = found.value.available if found.value else None
    return {
        "points": redeeming.points(found),
        **shelf,
        **_offered(shelf, available, told, is_signed_in=True),
        "notices": [
            *shelf.get("notices", ()),
            *await _notices(stores, caller.shop, found),
        ],
        **{name: value for name, value in told.items() if name not in kept.OWN},
    }


def _offered(
    shelf: dict[str, Any], available: int | None, told: dict[str, Any], *, is_signed_in: bool
) -> dict[str, Any]:
    """The rewards and the ways to earn, as they are for a shopper."""
    mine = told.get("rewards_had", {}), told.get("belongs") if is_signed_in else None
    return {
        "rewards": offers.to_shopper(shelf["rewards"], available, *mine),
        **earning.mine(shelf, told.get("had"), is_signed_in=is_signed_in),
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


async def say_birthday(request: Request, caller: Caller) -> tuple[int, dict[str, Any]]:
    """Note a birthday. It moves no points, so the account that is kept under their sequence is
    forgotten; another process may show the one before for a minute.
    """
    status, body = await earning.say_birthday(request, caller)
    customer_id, stores = caller.customer_id or "", request.state.stores
    time_zone = (await _shelf(stores, caller.shop)).get("time_zone", "")
    sequence = body["points"]["sequence"] or 0
    await kept.drop(stores, caller.shop, customer_id, time_zone, sequence)
    return status, body


PART = Part(
    "points",
    me,
    UNKNOWN,
    (
        ("redemptions", {"POST": redeeming.redeem}),
        ("history", {"GET": history}),
        ("codes", {"GET": codes}),
        ("birthday", {"POST": say_birthday}),
        ("actions", {"POST": earning.follow}),
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
            fresh_seconds=kept.FRESH_SECONDS,
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


async def _shelf(stores: Stores, shop: str) -> dict[str, Any]:
    """What a shop offers, the same for all its shoppers: rewards and ways to earn."""
    remembered = _shelves.get(shop)
    if remembered and time.monotonic() - remembered[0] < SHELF_MEMORY_SECONDS:
        return remembered[1]

    async def load() -> dict[str, Any]:
        program = await reads.program(shop)
        rewards = await reads.rewards(shop, active_only=True)
        ways = await ways_reads.of_shop(shop)
        tiers = await own.tiers(shop) if program.state != "draft" else ("", [])
        names = {one.tier_id: one.name for one in tiers[1]}
        is_live = program.state == "live"
        told = offer(program, rewards, names, ways) if is_live else CLOSED[program.state]
        return {"time_zone": program.timezone, **told, "tiers": tier.offered(*tiers)}

    found: Reading[dict[str, Any]] = await cache.read_through(
        stores.cache, f"cache:offer:{{{shop}}}", load, READS, fresh_seconds=SHELF_FRESH_SECONDS
    )
    shelf = found.value or CLOSED["draft"]
    _shelves.put(shop, (time.monotonic(), shelf))
    return shelf


def offer(
    program: Program,
    rewards: Sequence[RewardView],
    tiers: Mapping[str, str],
    ways: Sequence[WayView],
) -> dict[str, Any]:
    """What these rules, rewards and ways to earn offer to shoppers; `tiers` are their names by
    id.
    """
    return {
        "rewards": offers.shelf(rewards, program.currency, datetime.now(UTC), tiers),
        "ways_to_earn": earning.offered(program, ways),
    }


def forget() -> None:
    """Drop what this process remembers (for tests)."""
    kept.forget()
    _shelves.clear()


_shelves: Memory[str, tuple[float, dict[str, Any]]] = Memory(MEMORY_ENTRIES_MAX)
