"""Launching, pausing, ending and copying a campaign."""

from starlette.responses import Response

from app.campaigns import actions
from app.campaigns.pages import asking, showing
from app.campaigns.pages.asking import Ask
from app.own_facts import Campaign
from app.telemetry import product
from app.web import forms, pages
from app.web.forms import Form
from app.web.pages import Visit

SAID = {
    "live": "It is live: it counts from its start to its end",
    "paused": "Paused: it gives nothing until you let it go on",
    "ended": "Ended. What it gave stays as it is",
}


async def set_state(ask: Ask, visit: Visit) -> Response:
    campaign_id = asking.id_of(visit)
    values = await forms.read_form(visit.request)
    state, form = values.get("state", ""), Form("state-")
    by = await pages.name_of(visit)
    made: list[Campaign] = []

    async def change() -> None:
        made.append(await actions.set_state(visit.shop, campaign_id, state, by))

    status = await forms.change(form, change)
    if status == forms.SAVED and state == "live":
        launched = product.CampaignLaunched(made[0].trigger, made[0].effect)
        product.track(launched, visit.shop, visit.stores.config)
    said = form.problems.get("", SAID.get(state, "Saved"))
    return await showing.page(ask, visit, campaign_id, status=status, said=said)


async def duplicate(ask: Ask, visit: Visit) -> Response:
    campaign_id = asking.id_of(visit)
    values = await forms.read_form(visit.request)
    form = Form("duplicate-", {"key": values.get("key", "")})
    by = await pages.name_of(visit)
    made: list[str] = []

    async def copy() -> None:
        key = values.get("key", "")
        made.append((await actions.duplicate(visit.shop, campaign_id, key=key, by=by)).campaign_id)

    status = await forms.change(form, copy)
    if status != forms.SAVED:
        said = form.problems[""]
        return await showing.page(ask, visit, campaign_id, status=status, said=said)
    said = "Copied as a draft. Give it its own window, then launch it"
    return await showing.page(ask, visit, made[0], said=said)
