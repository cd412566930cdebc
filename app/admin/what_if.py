"""A campaign tried on the orders of the last thirty days: what it would have cost, and who gains.

Campaigns says what it is, points what its orders would have come to, and core what people are
called.
"""

import asyncio
from datetime import date

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.campaigns import reads as campaigns
from app.campaigns.views import CampaignView
from app.core import reads as core_reads
from app.own_facts import Stacking
from app.points.earning.whatif import actions, reads
from app.points.earning.whatif.reads import WhatIf
from app.web import chart, forms, pages, panels
from app.web.forms import Form
from app.web.pages import Visit, admin_page

PHONE_DAYS = 10
PATH = "/campaigns/what-if/{campaign_id}"


@admin_page
async def show(visit: Visit) -> Response:
    return await _page(visit)


async def _page(
    visit: Visit, *, form: Form | None = None, status: int = 200, toast: str = ""
) -> Response:
    shop, campaign_id = visit.shop, str(visit.request.path_params["campaign_id"])[:64]
    of_campaign, of_trial = await asyncio.gather(
        panels.read(
            visit,
            "campaigns",
            f"one:{campaign_id}",
            lambda: campaigns.campaign(shop, campaign_id),
            CampaignView,
        ),
        panels.read(
            visit,
            "points",
            f"what-if:{campaign_id}",
            lambda: reads.newest(shop, campaign_id),
            WhatIf | None,
        ),
    )
    view, found = of_campaign.value, of_trial.value
    top = found.top if found else []
    names = await pages.attempt(lambda: core_reads.names(shop, [one for one, _ in top])) or {}
    days = [(date.fromisoformat(day), points, 0) for day, points in found.days] if found else []
    return pages.render(
        visit,
        "admin/what_if.html",
        heading="What if",
        readings=[of_campaign, of_trial],
        status=status,
        toast=toast,
        form=form or Form("what-if-"),
        campaign_id=campaign_id,
        campaign=view.campaign if view else None,
        found=found,
        is_changed=bool(view and found and view.campaign.version != found.campaign.version),
        names=names,
        days=days,
        chart=chart.draw(days) if days else None,
        phone_chart=chart.draw_narrow(days[-PHONE_DAYS:]) if days else None,
    )


@admin_page
async def start(visit: Visit) -> Response:
    shop, campaign_id = visit.shop, str(visit.request.path_params["campaign_id"])[:64]
    form = Form("what-if-")

    async def ask() -> None:
        view = await campaigns.campaign(shop, campaign_id)
        stacking: Stacking = await campaigns.stacking(shop)
        await actions.start(shop, view.campaign, stacking)

    status = await forms.change(form, ask)
    return await _page(visit, form=form, status=status)


routes: list[BaseRoute] = [Route(PATH, show), Route(PATH, start, methods=["POST"])]
