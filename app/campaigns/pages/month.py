"""The calendar of campaigns: a month, day by day, in the merchant's time zone."""

import calendar as months
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from starlette.responses import Response

from app import calendar as days
from app.campaigns import reads, rules
from app.campaigns.pages import asking, listing
from app.campaigns.views import CampaignView
from app.web import pages
from app.web.pages import Visit

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
A_DAY_MAX = 3  # more are counted
_MONTH = re.compile(r"(20[0-9]{2})-(0[1-9]|1[0-2])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the month, or of the weeks it stands in; `more` campaigns have no room."""

    day: date
    is_inside: bool
    is_today: bool
    campaigns: list[CampaignView]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """A campaign of the month."""

    it: CampaignView
    state: str
    tone: str
    sentence: str


async def calendar(visit: Visit) -> Response:
    now = datetime.now(UTC)
    today = now.astimezone(days.zone(visit.timezone)).date()
    first = _first(visit.request.query_params.get("month", ""), today)
    weeks = months.Calendar().monthdatescalendar(first.year, first.month)
    since = days.start_of_day(weeks[0][0], visit.timezone)
    until = days.start_of_day(weeks[-1][-1] + timedelta(days=1), visit.timezone)
    is_this_month = first == today.replace(day=1)

    async def load() -> list[CampaignView]:
        return await reads.between(visit.shop, since, until)

    if is_this_month:  # the one that is kept for bad days
        found = await asking.read(visit, "month", load, list[CampaignView])
    else:
        found = await asking.attempted(load)
    rows = found.value or []
    next_month = (first + timedelta(days=31)).replace(day=1)
    inside = _within(rows, first, next_month, visit.timezone)
    return pages.render(
        visit,
        "campaigns/calendar.html",
        heading=f"{first:%B %Y}",
        readings=[found],
        notes=asking.notes(visit),
        found=found.value,
        weeks=[[_day(one, first, today, rows, visit.timezone) for one in week] for week in weeks],
        weekdays=WEEKDAYS,
        lines=[_line(visit, one, now) for one in inside],
        previous=f"{first - timedelta(days=1):%Y-%m}",
        following=f"{next_month:%Y-%m}",
        tones=asking.TONES,
        shown_state=lambda view: rules.shown_state(view.campaign, now),
    )


def _first(typed: str, today: date) -> date:
    """The first day of the month of the address, of this one without it."""
    found = _MONTH.fullmatch(typed)
    return date(int(found[1]), int(found[2]), 1) if found else today.replace(day=1)


def _day(day: date, first: date, today: date, rows: list[CampaignView], timezone: str) -> Day:
    there = _within(rows, day, day + timedelta(days=1), timezone)
    shown = there[:A_DAY_MAX]
    is_inside = day.month == first.month
    return Day(day, is_inside, day == today, shown, len(there) - len(shown))


def _within(
    rows: list[CampaignView], first: date, after: date, timezone: str
) -> list[CampaignView]:
    """Those whose window has something of these days."""
    since, until = (days.start_of_day(one, timezone) for one in (first, after))
    return [
        row
        for row in rows
        if row.campaign.starts_at < until
        and (row.campaign.ends_at is None or row.campaign.ends_at > since)
    ]


def _line(visit: Visit, one: CampaignView, now: datetime) -> Line:
    state = rules.shown_state(one.campaign, now)
    sentence = asking.said(visit, one.campaign, one.labels, now)
    return Line(one, listing.STATES[state], asking.TONES[state], sentence)
