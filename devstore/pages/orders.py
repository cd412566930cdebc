"""The page of one order, with what the merchant can do to it: refund, cancel, mark as paid."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from devstore.errors import FormError, RefusedError
from devstore.pages.shared import form_of, go, render, whole_number
from devstore.pages.storefront import show
from devstore.shop import acts, money, orders, things
from devstore.world import World, shop_of, world_of

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
        left_cents=orders.refundable_cents(order),
        paid_cents=orders.paid_cents(order),
    )


async def act(request: Request) -> Response:
    """One of the buttons; a refusal is a sentence on the order's page."""
    world, shop = world_of(request), shop_of(request)
    order = world.state.find("order", shop.domain, request.path_params["id"])
    if order is None:
        return render(request, "sentence.html", NO_ORDER, 404)
    fields = await form_of(request)
    try:
        said = _act(world, order, fields)
    except RefusedError as refused:
        said = str(refused)
    return go(f"/shops/{shop.domain}/orders/{order.id}", said)


def _act(world: World, order: things.Order, fields: dict[str, str]) -> str:
    note = fields.get("note") or None
    match fields.get("action"):
        case "pay":
            acts.mark_paid(world, order)
            return "The order is paid."
        case "refund_all":
            acts.refund(world, order, None, note=note)
            return "Everything was refunded."
        case "refund_lines":
            wanted = [(line.id, whole_number(fields, f"line_{line.id}")) for line in order.lines]
            acts.refund(world, order, [pair for pair in wanted if pair[1]], note=note)
            return "The chosen pieces were refunded."
        case "refund_amount":
            acts.refund_amount(world, order, money.cents(fields.get("amount") or "0"), note=note)
            return "The amount was refunded."
        case "cancel":
            acts.cancel(world, order, with_refund=fields.get("with_refund") == "on")
            return "The order was cancelled."
        case _:
            raise FormError("Choose what to do.")


routes = [
    Route("/shops/{shop}/orders/{id}", page),
    Route("/shops/{shop}/orders/{id}", act, methods=["POST"]),
]
