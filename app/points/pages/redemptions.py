"""What staff do with a customer's rewards, on the customer's page."""

import uuid
from collections.abc import Awaitable, Callable
from typing import Protocol

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app import rooms
from app.errors import NotFoundError
from app.points.rewards import staff
from app.points.views import RedemptionView
from app.resilience.guard import Resource
from app.web import forms, pages
from app.web.forms import Form
from app.web.pages import Visit, admin_page

# Shopify is asked on the way, which takes longer than a change of ours alone
SETTLING = Resource("rewards by staff", room=rooms.COMPLETIONS, by_shop=True)
SAID = {
    "held": "Still being prepared: Shopify has not made the code yet",
    "captured": "The code is there",
    "used": "The code was used already; its points stay spent",
    "released": "The points are back",
}


class Show(Protocol):
    """The customer's page."""

    def __call__(
        self, visit: Visit, customer_id: str, form: None, *, status: int, toast: str
    ) -> Awaitable[Response]: ...


def routes(customer_id_of: Callable[[Visit], str], show: Show) -> list[BaseRoute]:
    """Try again, give back and cancel; `show` answers with the page of the customer."""

    @admin_page
    async def settle(visit: Visit) -> Response:
        customer_id, redemption_id = customer_id_of(visit), _redemption_id(visit)
        act = visit.request.url.path.rpartition("/")[2]
        by = await pages.name_of(visit)
        found: list[RedemptionView] = []
        form = Form("redemption-", {"key": redemption_id})  # however often, it is done once

        async def change() -> None:
            await staff.check(visit.shop, customer_id, redemption_id)
            found.append(await _act(visit, act, redemption_id, by))

        status = await forms.change(form, change, SETTLING)
        said = form.problems.get("") or SAID[found[0].state]
        return await show(visit, customer_id, None, status=status, toast=said)

    path = "/customers/{customer_id}/rewards/{redemption_id}"
    return [
        Route(f"{path}/{act}", settle, methods=["POST"]) for act in ("retry", "give-back", "cancel")
    ]


async def _act(visit: Visit, act: str, redemption_id: str, by: str) -> RedemptionView:
    client = visit.request.state.client
    if act == "retry":
        return await staff.retry(visit.stores, client, visit.shop, redemption_id)
    settled = staff.give_back if act == "give-back" else staff.cancel
    return await settled(visit.stores, client, visit.shop, redemption_id, by)


def _redemption_id(visit: Visit) -> str:
    written = str(visit.request.path_params["redemption_id"])
    try:
        return str(uuid.UUID(written))
    except ValueError:
        raise NotFoundError(staff.NO_SUCH) from None
