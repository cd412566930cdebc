"""The merchant's pages about campaigns, put together for a composer that knows the other parts."""

from collections.abc import Awaitable, Callable
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.campaigns.pages import changing, editing, listing, month, showing
from app.campaigns.pages.asking import Ask
from app.web.pages import Page, Visit, admin_page

Made = Callable[[Ask, Visit], Awaitable[Response]]


def routes(ask: Ask) -> list[BaseRoute]:
    """The routes; `ask` says what tiers, segments and products a shop has."""

    def page(made: Made) -> Callable[[Request], Awaitable[Response]]:
        return admin_page(partial(made, ask))

    return [
        Page("/campaigns", page(listing.campaigns), "Campaigns"),
        Route("/campaigns", page(editing.make), methods=["POST"]),
        Route("/campaigns/new", page(editing.new)),
        Route("/campaigns/sentence", page(editing.sentence)),
        Route("/campaigns/calendar", admin_page(month.calendar)),
        Route("/campaigns/stacking", page(listing.set_stacking), methods=["POST"]),
        Route("/campaigns/{campaign_id}", page(showing.campaign)),
        Route("/campaigns/{campaign_id}/edit", page(editing.edit), methods=["GET"]),
        Route("/campaigns/{campaign_id}/edit", page(editing.save), methods=["POST"]),
        Route("/campaigns/{campaign_id}/state", page(changing.set_state), methods=["POST"]),
        Route("/campaigns/{campaign_id}/duplicate", page(changing.duplicate), methods=["POST"]),
    ]
