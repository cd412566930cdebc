"""The programme's state and its preview: draft until it is started, live, or paused."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from app.errors import BadInputError
from app.points.earning import actions as earning
from app.points.members import reads
from app.points.panels import earning as earning_panel
from app.points.panels import offers, shopper
from app.points.rewards import reads as rewards_reads
from app.points.rewards import rules
from app.points.ways import reads as ways_reads
from app.telemetry import product
from app.web import forms, pages
from app.web.forms import Form
from app.web.pages import Visit, admin_page

SAID = {
    "live": "The program is live",
    "paused": "The program is paused",
}
EXAMPLE_POINTS = 250  # of the shopper in the preview
PREVIEW_CODE = "PREVIEW-ONLY"


async def change(visit: Visit) -> tuple[int, str]:
    """What the form asks for; the status to answer with and what to say."""
    values = await forms.read_form(visit.request)
    form = Form("state-")
    state = values.get("state", "")
    status = await forms.change(
        form, lambda: earning.set_state(visit.shop, state, visit.staff.user_id)
    )
    if status == forms.SAVED:
        told = product.ProgramPublished("live" if state == "live" else "paused")
        product.track(told, visit.shop, visit.stores.config)
    return status, form.problems.get("", SAID.get(state, "Saved"))


@admin_page
async def preview(visit: Visit) -> Response:
    """The shopper's widget as it is in the shop, with an example of a shopper."""
    return pages.render(
        visit,
        "points/preview.html",
        heading="Preview as a shopper",
        points=EXAMPLE_POINTS,
    )


@admin_page
async def me(visit: Visit) -> Response:
    """What the widget asks for first: the offer as it is or will be, and a made-up balance."""
    program, rewards, tiers, ways = await asyncio.gather(
        reads.program(visit.shop),
        reads.rewards(visit.shop, active_only=True),
        rewards_reads.tier_names(visit.shop),
        ways_reads.of_shop(visit.shop),
    )
    offer = shopper.offer(program, rewards, tiers, ways)
    # the example may have every reward there is
    everywhere = {
        name: [each for one in rewards for each in getattr(one.details, name)]
        for name in ("tiers", "segments")
    }
    body = {
        "customer_id": "preview",
        "points": _points(),
        "notices": [],
        "redemptions": [],
        **offer,
        **earning_panel.mine(offer, None, is_signed_in=False),
        "rewards": offers.to_shopper(offer["rewards"], EXAMPLE_POINTS, {}, everywhere),
    }
    return _json(body)


@admin_page
async def redeem(visit: Visit) -> Response:
    """A code that is none: nothing is held, spent or made at Shopify."""
    try:
        asked = await visit.request.json()
        reward_id = str(asked["reward_id"])
    except (ValueError, KeyError, TypeError, ClientDisconnect):
        raise BadInputError("The request has another shape than expected.") from None
    rewards = await reads.rewards(visit.shop, active_only=True)
    reward = next((one for one in rewards if one.id == reward_id), None)
    cost = 0
    if reward is not None:
        typed = asked.get("points")
        wanted = typed if isinstance(typed, int) else None
        chosen = rules.chosen(reward.kind, reward.cost, reward.amount_off, reward.details, wanted)
        cost = chosen.points
    if reward is None or cost > EXAMPLE_POINTS:
        body: dict[str, Any] = {"error": {"code": "unknown_reward", "message": "No such reward."}}
        return JSONResponse(body, 404)
    made = {
        "id": f"preview-{reward.id}",
        "state": "captured",
        "code": PREVIEW_CODE,
        "title": reward.title,
        "points": cost,
        "kind": reward.kind,
        "ends_at": rules.code_end(reward.details, datetime.now(UTC)),
        "conditions": offers.conditions(reward.details),
    }
    return _json({"redemption": made, "points": _points(cost)})


def _json(body: dict[str, Any]) -> Response:
    headers = {"Cache-Control": "no-store"}
    return Response(msgspec.json.encode(body), media_type="application/json", headers=headers)


def _points(spent: int = 0) -> dict[str, Any]:
    return {
        "available": EXAMPLE_POINTS - spent,
        "pending": 40,
        "held": 0,
        "as_of": None,
        "source": "live",
    }


routes: list[BaseRoute] = [
    Route("/program/preview", preview, name="preview"),
    Route("/program/preview/me", me),
    Route("/program/preview/redemptions", redeem, methods=["POST"]),
]
