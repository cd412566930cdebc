"""The calendar of campaigns: a month, week by week, in the merchant's time zone."""

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
A_WEEK_MAX = 6  # bars of one; more are counted
_MONTH = re.compile(r"(20[0-9]{2})-(0[1-9]|1[0-2])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the month, or of the weeks it stands in."""

    day: date
    is_inside: bool
    is_today: bool


@dataclass(frozen=True, slots=True)
class Bar:
    """A campaign over its days of a week: from a column (1 to 7), so many of them."""

    it: CampaignView
    tone: str
    first: int
    number: int
    is_from_before: bool
    goes_on: bool


@dataclass(frozen=True, slots=True)
class Week:
    """A week with the campaigns that begin, end or run in a part of the shown weeks; `more` of them
    have no room.
    """

    days: list[Day]
    bars: list[Bar]
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
    through = [one for one in rows if _is_through(one, since, until)]
    drawn = [one for one in rows if one not in through]
    return pages.render(
        visit,
        "campaigns/calendar.html",
        heading="Calendar",
        month=f"{first:%B %Y}",
        readings=[found],
        notes=asking.notes(visit),
        found=found.value,
        weeks=[_week(week, first, today, drawn, visit.timezone, now) for week in weeks],
        through=through,
        weekdays=WEEKDAYS,
        lines=[_line(visit, one, now) for one in inside],
        previous=f"{first - timedelta(days=1):%Y-%m}",
        following=f"{next_month:%Y-%m}",
    )


def _first(typed: str, today: date) -> date:
    """The first day of the month of the address, of this one without it."""
    found = _MONTH.fullmatch(typed)
    return date(int(found[1]), int(found[2]), 1) if found else today.replace(day=1)


def _is_through(one: CampaignView, since: datetime, until: datetime) -> bool:
    """Whether it runs all the time: said once above the weeks, not drawn in each of them."""
    ends_at = one.campaign.ends_at
    return one.campaign.starts_at <= since and (ends_at is None or ends_at >= until)


def _week(
    week: list[date],
    first: date,
    today: date,
    rows: list[CampaignView],
    timezone: str,
    now: datetime,
) -> Week:
    after = week[-1] + timedelta(days=1)
    there = _within(rows, week[0], after, timezone)
    bars = []
    for one in there[:A_WEEK_MAX]:
        on = [day for day in week if _within([one], day, day + timedelta(days=1), timezone)]
        since, until = (days.start_of_day(day, timezone) for day in (week[0], after))
        ends_at = one.campaign.ends_at
        bars.append(
            Bar(
                one,
                asking.TONES[rules.shown_state(one.campaign, now)],
                week.index(on[0]) + 1,
                len(on),
                one.campaign.starts_at < since,
                ends_at is None or ends_at > until,
            )
        )
    shown = [Day(day, day.month == first.month, day == today) for day in week]
    return Week(shown, bars, len(there) - len(bars))


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
