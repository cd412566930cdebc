"""What composed pages and shoppers see of campaigns: those that run, are to come, and gave what."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from app import rooms
from app.campaigns import reads, rules, words
from app.campaigns.views import CampaignView
from app.core import reads as core_reads
from app.db import Stores
from app.resilience import cache, health
from app.resilience.guard import Resource
from app.resilience.memory import Memory
from app.resilience.reading import Reading
from app.web import panels
from app.web.api import Caller
from app.web.pages import Visit
from app.web.panels import Attention, Home, Panel
from app.web.shopper import Part

SERVICE = "campaigns"
BUDGET_LOW = 0.9  # so much of it is given: the merchant should know
READS = Resource("campaigns for shoppers", room=rooms.STOREFRONT, by_shop=True)
# an edit shows to shoppers after both at most; an end is kept to the second whatever they hold
MEMORY_SECONDS, FRESH_SECONDS = 2.0, 5.0
MEMORY_ENTRIES_MAX = 4_096


class Offer(msgspec.Struct, frozen=True):
    """A campaign as shoppers hear of it, with when it counts."""

    id: str
    name: str
    text: str
    effect: str
    value: str
    starts_at: datetime
    ends_at: datetime | None


class Current(msgspec.Struct, frozen=True):
    """What is not over of a shop's campaigns, and how many there are in all."""

    rows: list[CampaignView]
    total: int


@dataclass(frozen=True, slots=True)
class Line:
    """A campaign in the panel."""

    id: str
    name: str
    state: rules.Shown
    sentence: str
    given: int


@dataclass(frozen=True, slots=True)
class Shown:
    lines: list[Line]
    more: int  # that are not in the lines
    total: int  # over ones and drafts too


async def load(visit: Visit) -> Reading[Shown]:
    """Those that run or are to come; as of when the service was last known to keep up."""
    now = datetime.now(UTC)

    async def load() -> Current:
        rows = await reads.current(visit.shop, now, rules.LIVE_MAX)
        return Current(rows, await reads.total(visit.shop))

    found = await panels.read(visit, SERVICE, "home", load, Current)
    shown = found.map(lambda current: _shown(current, visit, now))
    return shown.older() if is_behind(visit) else shown


def is_behind(visit: Visit) -> bool:
    """Whether what campaigns gave is counted later than usual."""
    return health.service_notice(visit.board, SERVICE) != "healthy"


async def attention(visit: Visit) -> list[Attention]:
    """Budgets that are nearly given."""
    now = datetime.now(UTC)
    found = []
    for row in await reads.current(visit.shop, now, rules.LIVE_MAX):
        one, budget = row.campaign, row.campaign.budget
        if budget is None or row.results.net < BUDGET_LOW * budget:
            continue
        if rules.shown_state(one, now) != "running":
            continue
        said = f"{row.results.net:,} of {budget:,} points are given. Nothing is given beyond it."
        title = f"The budget of “{one.name}” is nearly used"
        path = f"/campaigns/{one.campaign_id}"
        found.append(Attention("warning", title, said, "Campaign", path))
    return found


async def me(stores: Stores, caller: Caller) -> dict[str, Any]:
    """The campaigns that run at this moment, each with its end."""
    now = datetime.now(UTC)
    return {
        "campaigns": [
            {
                "id": one.id,
                "name": one.name,
                "text": one.text,
                "effect": one.effect,
                "value": one.value,
                "ends_at": one.ends_at,
            }
            for one in await _offers(stores, caller.shop)
            if one.starts_at <= now and (one.ends_at is None or now < one.ends_at)
        ]
    }


def forget() -> None:
    """Drop what this process remembers (for tests)."""
    _remembered.clear()


async def _offers(stores: Stores, shop: str) -> list[Offer]:
    kept = _remembered.get(shop)
    if kept and time.monotonic() - kept[0] < MEMORY_SECONDS:
        return kept[1]
    found: Reading[list[Offer]] = await cache.read_through(
        stores.cache,
        f"cache:campaigns:{{{shop}}}",
        lambda: _load_offers(shop),
        READS,
        decode=lambda raw: msgspec.json.decode(raw, type=list[Offer]),
        fresh_seconds=FRESH_SECONDS,
    )
    offers = found.value or []
    _remembered.put(shop, (time.monotonic(), offers))
    return offers


async def _load_offers(shop: str) -> list[Offer]:
    now = datetime.now(UTC)
    rows = await reads.running(shop, now)
    if not rows:
        return []
    info = await core_reads.shop(shop)
    timezone, currency = (info.timezone, info.currency) if info else ("UTC", "USD")
    offers = []
    for one in rows:
        if text := words.told(one, timezone=timezone, currency=currency, now=now):
            window = one.starts_at, one.ends_at
            offers.append(Offer(one.campaign_id, one.name, text, one.effect, one.value, *window))
    return offers


def _shown(current: Current, visit: Visit, now: datetime) -> Shown:
    lines = [
        Line(
            row.campaign.campaign_id,
            row.campaign.name,
            rules.shown_state(row.campaign, now),
            words.sentence(
                row.campaign,
                timezone=visit.timezone,
                currency=visit.currency,
                now=now,
                names=row.labels,
            ),
            row.results.net,
        )
        for row in current.rows[: reads.HOME_MAX]
    ]
    return Shown(lines, len(current.rows) - len(lines), current.total)


_remembered: Memory[str, tuple[float, list[Offer]]] = Memory(MEMORY_ENTRIES_MAX)

HOME = Home(
    SERVICE,
    (
        Panel(
            SERVICE,
            "Campaigns",
            "campaigns/panel.html",
            load,
            is_nothing=lambda shown: not shown.total,
            first_template="campaigns/first.html",
        ),
    ),
    attention,
)
PART = Part(SERVICE, me, {"campaigns": []})
