"""A campaign: what it does, what it gave, and every version of it."""

import asyncio
import uuid
from datetime import UTC, date, datetime, timedelta

from starlette.responses import Response

from app import calendar
from app.campaigns import reads, rules, words
from app.campaigns.pages import asking, form, listing
from app.campaigns.pages.asking import Ask
from app.campaigns.views import CampaignView, VersionView
from app.web import chart, pages
from app.web.pages import Visit

DAYS, PHONE_DAYS = 30, 10  # of the chart
GAVE = ("given", "taken back")
OCCASIONS = {"birthday": "Birthdays", "account": "Accounts"}


async def campaign(ask: Ask, visit: Visit) -> Response:
    return await page(ask, visit, asking.id_of(visit))


async def page(
    ask: Ask, visit: Visit, campaign_id: str, *, status: int = 200, said: str = ""
) -> Response:
    """The page of a campaign. Raises NotFoundError."""
    now = datetime.now(UTC)
    shop = visit.shop
    found, versions, others, how, known = await asyncio.gather(
        asking.one(visit, campaign_id),
        asking.read(
            visit,
            f"versions:{campaign_id}",
            lambda: reads.versions(shop, campaign_id),
            list[VersionView],
        ),
        asking.current(visit, now),
        asking.stacking(visit),
        ask(visit),
    )
    view = found.value
    days = await _days(visit, view, now) if view and view.results.as_of else []
    if view and view.campaign.scope != "all":
        known = await ask(visit, view.campaign.scope, view.campaign.ids)
    names = {**(view.labels if view else {}), **known.names}
    state = rules.shown_state(view.campaign, now) if view else ""
    warnings: list[str] = []
    if view and state != "ended" and how.value is not None:
        warnings = form.warnings(view.campaign, known) + asking.overlaps(
            visit, view.campaign, others.value or [], how.value, now
        )
    return pages.render(
        visit,
        "campaigns/campaign.html",
        heading=view.campaign.name if view else "Campaign",
        readings=[found, versions],
        notes=asking.notes(visit),
        status=status,
        toast=said,
        it=view,
        one=view.campaign if view else None,
        state=state,
        state_title=listing.STATES.get(state, ""),
        tone=asking.TONES.get(state, "neutral"),
        sentence=asking.said(visit, view.campaign, names, now) if view else "",
        offer=words.told(view.campaign, timezone=visit.timezone, currency=visit.currency, now=now)
        if view
        else "",
        stacking=words.stacking(how.value) if how.value is not None else "",
        warnings=warnings,
        occasions=OCCASIONS.get(view.campaign.trigger, "Orders") if view else "",
        key=str(uuid.uuid4()),
        days=days,
        chart=chart.draw(days, words=GAVE),
        phone_chart=chart.draw_narrow(days[-PHONE_DAYS:], words=GAVE),
        phone_days=PHONE_DAYS,
        versions=[
            (one, asking.said(visit, one.campaign, {**one.labels, **names}, now))
            for one in versions.value or []
        ],
    )


async def _days(visit: Visit, view: CampaignView, now: datetime) -> list[tuple[date, int, int]]:
    """What it gave and took back, by day: the last ones up to today, or to its newest result where
    it is over; none where nobody can say.
    """
    until = now
    if rules.shown_state(view.campaign, now) == "ended" and view.results.as_of:
        until = view.results.as_of
    last = until.astimezone(calendar.zone(visit.timezone)).date()
    days = [last - timedelta(days=ago) for ago in reversed(range(DAYS))]
    campaign_id = view.campaign.campaign_id
    found = await asking.read(
        visit,
        f"days:{campaign_id}",
        lambda: reads.by_day(visit.shop, campaign_id, days, visit.timezone),
        list[tuple[date, int, int]],
    )
    return found.value or []
