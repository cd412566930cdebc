"""The list of campaigns, with the templates to start from and how multipliers go together."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.responses import Response

from app import paging
from app.campaigns import reads, rules, stacking, words
from app.campaigns.pages import asking
from app.campaigns.pages.asking import Ask
from app.campaigns.starters import STARTERS
from app.campaigns.views import CampaignPage, CampaignView
from app.own_facts import Stacking
from app.resilience.reading import Reading
from app.web import conflicts, forms, pages
from app.web.forms import Form
from app.web.pages import Visit

SEARCH_LENGTH_MAX = 80
STATES = {
    "running": "Running",
    "scheduled": "Scheduled",
    "paused": "Paused",
    "draft": "Draft",
    "ended": "Ended",
}
FIELDS = {"policy": "When multipliers meet", "cap": "At most"}


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the list."""

    it: CampaignView
    state: str
    tone: str
    sentence: str


async def campaigns(ask: Ask, visit: Visit) -> Response:
    return await _page(ask, visit)


async def set_stacking(ask: Ask, visit: Visit) -> Response:
    values = await forms.read_form(visit.request)
    policy, cap = values.get("policy", ""), values.get("cap", "")
    number = forms.decimal(cap, places_max=2, locale=visit.locale)
    form = Form("stacking-", values, rules.stacking_problems(policy, number, is_capped=bool(cap)))
    if form.problems:
        return await _page(ask, visit, form, 422)
    by = await pages.name_of(visit)

    async def save() -> None:
        try:
            written = "" if number is None else f"{number:f}"
            await stacking.set_stacking(
                visit.shop, policy, written, by=by, seen_version=conflicts.seen(values)
            )
        except stacking.StaleStackingError as error:
            conflicts.show(form, _typed(error.current, visit), FIELDS)
            raise

    status = await forms.change(form, save)
    if status != forms.SAVED:
        return await _page(ask, visit, form, status)
    return await _page(ask, visit, said="Saved. It counts for orders placed from now on")


async def _page(
    ask: Ask, visit: Visit, form: Form | None = None, status: int = 200, said: str = ""
) -> Response:
    now = datetime.now(UTC)
    query = visit.request.query_params
    search = query.get("q", "").replace("\0", "").strip()[:SEARCH_LENGTH_MAX]
    state = query.get("state", "")
    state = state if state in STATES else ""
    at = paging.cursor(query, 1)
    found, how, known = await asyncio.gather(
        _list(visit, now, state, search, at), asking.stacking(visit), ask(visit)
    )
    if form is None and how.value is not None:
        form = Form("stacking-", _typed(how.value, visit))
    names = known.names
    return pages.render(
        visit,
        "campaigns/list.html",
        heading="Campaigns",
        readings=[found, how],
        notes=asking.notes(visit),
        status=status,
        toast=said,
        found=found.value,
        rows=[_row(visit, one, names, now) for one in found.value.rows] if found.value else [],
        search=search,
        state=state,
        states=STATES,
        starters=STARTERS,
        stacking=form,
        policies=words.POLICIES,
    )


async def _list(
    visit: Visit, now: datetime, state: str, search: str, at: paging.Cursor | None
) -> Reading[CampaignPage]:
    """Only the first page of the plain list is kept for bad days."""
    shop = visit.shop
    if state or search or at:
        return await asking.attempted(lambda: reads.page(shop, now, state, search, at))
    return await asking.read(visit, "list", lambda: reads.page(shop, now), CampaignPage)


def _row(visit: Visit, one: CampaignView, names: dict[str, str], now: datetime) -> Row:
    state = rules.shown_state(one.campaign, now)
    sentence = asking.said(visit, one.campaign, {**one.labels, **names}, now)
    return Row(one, STATES[state], asking.TONES[state], sentence)


def _typed(how: Stacking, visit: Visit) -> dict[str, str]:
    cap = forms.written(how.cap, visit.locale)
    return {"policy": how.policy, "cap": cap, "version": str(how.version)}
