"""The page of one order: what became of it, and the buttons of what the merchant can do to it."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from devstore.errors import RefusedError
from devstore.pages import order_buttons
from devstore.pages.shared import form_of, go, render
from devstore.pages.storefront import show
from devstore.shop import acts, changes, sold, totals
from devstore.world import shop_of, world_of

NO_ORDER = {"sentence": "There is no such order in this shop."}


async def page(request: Request) -> Response:
    world, shop = world_of(request), shop_of(request)
    order = world.state.find("order", shop.domain, request.path_params["id"])
    if order is None:
        return render(request, "sentence.html", NO_ORDER, 404)
    return show(
        request,
        "shop_order.html",
        order=order,
        buyer=world.state.find("customer", shop.domain, order.customer_id),
        total=totals.total_cents(order),
        current=totals.current_cents(order),
        received=totals.received_cents(order),
        given_back=totals.given_back_cents(order),
        outstanding=totals.outstanding_cents(order),
        refundable=totals.refundable_cents(order),
        is_pending=any(one.money_status == "pending" for one in order.refunds),
        topics=changes.TOPICS,
        tips=sold.TIPS,
        guests=sold.GUESTS,
        worth_of=totals.worth_cents,
    )


async def act(request: Request) -> Response:
    """One of the buttons; a refusal is a sentence on the order's page."""
    world, shop = world_of(request), shop_of(request)
    order = world.state.find("order", shop.domain, request.path_params["id"])
    if order is None:
        return render(request, "sentence.html", NO_ORDER, 404)
    fields = await form_of(request)
    if fields.get("action") == "delete":
        acts.delete_order(world, order)
        return go(f"/store/{shop.handle}/orders", f"#{order.number} was deleted.")
    try:
        said = order_buttons.press(world, order, fields)
    except RefusedError as refused:
        said = str(refused)
    return go(f"/shops/{shop.domain}/orders/{order.id}", said)


routes = [
    Route("/shops/{shop}/orders/{id}", page),
    Route("/shops/{shop}/orders/{id}", act, methods=["POST"]),
]
