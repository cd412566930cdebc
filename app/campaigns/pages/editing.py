"""Making and editing a campaign: a form that says in a sentence what it would do."""

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from app import calendar
from app.campaigns import actions, rules, starters, words
from app.campaigns.pages import asking, form, showing
from app.campaigns.pages.asking import Ask
from app.campaigns.views import Known
from app.web import conflicts, examples, forms, pages
from app.web.forms import Form
from app.web.pages import Visit

PREFIX = "campaign-"


async def new(ask: Ask, visit: Visit) -> Response:
    """An empty form, one from a template, or, while it is filled in, the form so far."""
    query = visit.request.query_params
    known = await ask(visit, *form.things(query))
    values = dict(form.EMPTY)
    starter = starters.BY_ID.get(query.get("template", ""))
    today = datetime.now(calendar.zone(visit.timezone)).date()
    if starter is not None:
        values |= starters.values(starter, today)
        values["value"] = forms.written(values["value"], visit.locale)
        if values["audience"] == "tiers" and known.tiers:
            values["audience_names"] = list(known.tiers.values())[-1]
    else:
        values["starts_day"] = today.isoformat()
    values |= _so_far(query)
    values["key"] = query.get("key", "") or str(uuid.uuid4())
    is_started = starter is not None or "trigger" in query
    return await _page(ask, visit, Form(PREFIX, values), known=known, is_started=is_started)


async def make(ask: Ask, visit: Visit) -> Response:
    values = await forms.read_form(visit.request)
    known = await ask(visit, *form.things(values))
    typed = form.read(values, visit.timezone, known, visit.locale)
    filled = Form(PREFIX, form.EMPTY | values, typed.problems)
    if filled.problems:
        return await _page(ask, visit, filled, known=known, status=422)
    by = await pages.name_of(visit)
    made: list[str] = []

    async def save() -> None:
        key = values.get("key", "")
        one = await actions.make(visit.shop, typed.campaign, key=key, by=by, labels=typed.labels)
        made.append(one.campaign_id)

    status = await forms.change(filled, save)
    if status != forms.SAVED:
        return await _page(ask, visit, filled, known=known, status=status)
    return await showing.page(
        ask, visit, made[0], said="Saved as a draft. Launch it when it is right"
    )


async def edit(ask: Ask, visit: Visit) -> Response:
    """The form of a campaign, or, while it is filled in, the form so far."""
    campaign_id = asking.id_of(visit)
    found = await asking.one(visit, campaign_id)
    if found.value is None:
        return await showing.campaign(ask, visit)
    view = found.value
    known = await ask(visit, view.campaign.scope, view.campaign.ids)
    names = {**view.labels, **known.names}
    values = form.typed(view.campaign, visit.timezone, names, visit.locale)
    values |= _so_far(visit.request.query_params)
    return await _page(
        ask,
        visit,
        Form(PREFIX, values),
        known=known,
        campaign_id=campaign_id,
        readings=[found],
        is_ended=rules.shown_state(view.campaign, datetime.now(UTC)) == "ended",
    )


async def save(ask: Ask, visit: Visit) -> Response:
    campaign_id = asking.id_of(visit)
    values = await forms.read_form(visit.request)
    known = await ask(visit, *form.things(values))
    if known.tiers is None:  # those it names already are known by their names
        found = await asking.one(visit, campaign_id)
        known = replace(known, tiers=(found.value.labels if found.value else {}) or None)
    typed = form.read(values, visit.timezone, known, visit.locale)
    filled = Form(PREFIX, form.EMPTY | values, typed.problems)
    if filled.problems:
        return await _page(ask, visit, filled, known=known, campaign_id=campaign_id, status=422)
    by = await pages.name_of(visit)

    async def change() -> None:
        try:
            await actions.edit(
                visit.shop,
                campaign_id,
                typed.campaign,
                by=by,
                seen_version=conflicts.seen(values),
                labels=typed.labels,
            )
        except actions.StaleCampaignError as error:
            theirs = form.typed(error.current, visit.timezone, known.names, visit.locale)
            conflicts.show(filled, theirs, form.FIELDS)
            raise

    status = await forms.change(filled, change)
    if status != forms.SAVED:
        return await _page(ask, visit, filled, known=known, campaign_id=campaign_id, status=status)
    return await showing.page(
        ask, visit, campaign_id, said="Saved. It counts for what happens from now on"
    )


async def sentence(ask: Ask, visit: Visit) -> Response:
    """What the form so far would do, and what speaks against it."""
    query = visit.request.query_params
    known = await ask(visit, *form.things(query))
    said, warnings = await _said(visit, _so_far(query), known, query.get("campaign_id", ""))
    return examples.said([said, *warnings])


async def _page(
    _ask: Ask,
    visit: Visit,
    filled: Form,
    *,
    known: Known,
    campaign_id: str = "",
    status: int = 200,
    readings: list[Any] | None = None,
    is_ended: bool = False,
    is_started: bool = False,
) -> Response:
    said, warnings = await _said(visit, filled.values, known, campaign_id)
    names = {"tiers": known.tiers, "segments": known.segments}.get(filled.values["audience"])
    return pages.render(
        visit,
        "campaigns/form.html",
        heading="Edit campaign" if campaign_id else "New campaign",
        readings=readings or [],
        notes=asking.notes(visit),
        status=status,
        form=filled,
        campaign_id=campaign_id,
        example=[] if filled.problems else [said, *warnings],
        starters=starters.STARTERS,
        triggers=form.TRIGGERS,
        effects={name: title for name, (title, _) in form.EFFECTS.items()},
        scopes=form.SCOPES,
        audiences=form.AUDIENCES,
        there=", ".join(names.values()) if names else "",
        is_ended=is_ended,
        is_started=is_started or status != HTTPStatus.OK,
    )


async def _said(
    visit: Visit, values: Mapping[str, str], known: Known, campaign_id: str
) -> tuple[str, list[str]]:
    """The sentence of a form, or what is missing for one, and its warnings."""
    now = datetime.now(UTC)
    typed = form.read(form.EMPTY | dict(values), visit.timezone, known, visit.locale)
    missing = [name for name in typed.problems if name not in {"name", "text"}]
    if missing:
        return f"Not complete yet: {typed.problems[missing[0]]}", []
    one = typed.campaign
    others, how = await asyncio.gather(asking.current(visit, now), asking.stacking(visit))
    met = [view for view in others.value or [] if view.campaign.campaign_id != campaign_id]
    said = asking.said(visit, one, {**typed.labels, **known.names}, now)
    found = form.warnings(one, known)
    if how.value is None:
        return said, found
    if one.effect == "multiply":
        said = f"{said} {words.stacking(how.value)}"
    return said, [*found, *asking.overlaps(visit, one, met, how.value, now)]


def _so_far(query: Mapping[str, str]) -> dict[str, str]:
    """What of an address the form holds: it is drawn again while somebody fills it in."""
    names = {*form.FIELDS, "version"}
    return {
        name: query[name].replace("\0", "").strip()[: forms.FIELD_LENGTH_MAX]
        for name in names
        if name in query
    }
