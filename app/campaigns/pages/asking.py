"""What the pages of campaigns ask: the service's own reads under its own circuit, and the composer
for what other parts know.
"""

import re
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar

from app.campaigns import reads, rules, words
from app.campaigns.panels import SERVICE, is_behind
from app.campaigns.views import CampaignView, Known
from app.errors import NotFoundError
from app.own_facts import Campaign, Stacking
from app.resilience import reading
from app.resilience.reading import Reading
from app.web import pages, panels
from app.web.banners import Banner
from app.web.pages import Visit

T = TypeVar("T")
Ask = Callable[[Visit], Awaitable[Known]]
BEHIND = Banner(
    "warning",
    "What campaigns gave is being counted",
    "The figures below are as of a little while ago; updates are on their way. Campaigns begin and "
    "end on time meanwhile: orders earn by what points was told of them last, and a bonus that "
    "turns out to be due comes later.",
)
TONES = {
    "running": "success",
    "scheduled": "info",
    "paused": "warning",
    "draft": "neutral",
    "ended": "neutral",
}
NAMED_MAX = 3  # of those it overlaps with; the rest are counted
_ID = re.compile(r"[0-9a-f-]{36}", re.ASCII)


async def read(visit: Visit, name: str, load: Callable[[], Awaitable[T]], kind: Any) -> Reading[T]:
    """What `load` reads, kept for bad days."""
    return await panels.read(visit, SERVICE, name, load, kind)


async def attempted(load: Callable[[], Awaitable[T]]) -> Reading[T]:
    """What `load` reads now, or nothing: for what is not kept."""
    found = await pages.attempt(load, panels.RESOURCES[SERVICE])
    return reading.unavailable() if found is None else reading.live(found)


def id_of(visit: Visit) -> str:
    """The campaign of the address. Raises NotFoundError for what cannot be one."""
    typed = str(visit.request.path_params["campaign_id"])
    if not _ID.fullmatch(typed):
        raise NotFoundError(reads.NO_SUCH)
    return typed


async def one(visit: Visit, campaign_id: str) -> Reading[CampaignView]:
    """A campaign. Raises NotFoundError."""
    shop = visit.shop
    return await read(
        visit, f"one:{campaign_id}", lambda: reads.campaign(shop, campaign_id), CampaignView
    )


async def current(visit: Visit, now: datetime) -> Reading[list[CampaignView]]:
    """Those that run, are paused or are to come."""
    return await read(visit, "current", lambda: reads.current(visit.shop, now), list[CampaignView])


async def stacking(visit: Visit) -> Reading[Stacking]:
    """How multipliers go together."""
    return await read(visit, "stacking", lambda: reads.stacking(visit.shop), Stacking)


def notes(visit: Visit) -> list[Banner]:
    """What is said above every page of campaigns."""
    return [BEHIND] if is_behind(visit) else []


def said(visit: Visit, campaign: Campaign, names: dict[str, str], now: datetime) -> str:
    """The sentence of a campaign."""
    return words.sentence(
        campaign, timezone=visit.timezone, currency=visit.currency, now=now, names=names
    )


def overlaps(
    visit: Visit,
    campaign: Campaign,
    others: Iterable[CampaignView],
    how: Stacking,
    now: datetime,
) -> list[str]:
    """The warnings about what it can meet."""
    met = rules.overlapping(campaign, (other.campaign for other in others), now)
    said = [words.overlap(campaign, one, how, visit.timezone, now) for one in met[:NAMED_MAX]]
    more = len(met) - len(said)
    return [*said, f"It overlaps with {more} more."] if more else said
