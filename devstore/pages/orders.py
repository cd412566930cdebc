"""The page of one order, with what the merchant can do to it: refund, cancel, mark as paid."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from devstore.errors import FormError, RefusedError
from devstore.pages.shared import form_of, go, render, shop_of, whole_number
from devstore.pages.storefront import show
from devstore.shop import money, orders, things
from devstore.world import World, world_of


async def page(request: Request) -> Response:
    world, shop = world_of(request), shop_of(request)
    order = world.state.find("order", shop.domain, request.path_params["id"])
    if order is None:
        return render(
            request, "sentence.html", {"sentence": "There is no such order in this shop."}, 404
        )
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
        return render(
            request, "sentence.html", {"sentence": "There is no such order in this shop."}, 404
        )
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
            mark_paid(world, order)
            return "The order is paid."
        case "refund_all":
            refund(world, order, None, note=note)
            return "Everything was refunded."
        case "refund_lines":
            wanted = [(line.id, whole_number(fields, f"line_{line.id}")) for line in order.lines]
            refund(world, order, [pair for pair in wanted if pair[1]], note=note)
            return "The chosen pieces were refunded."
        case "refund_amount":
            refund_amount(world, order, money.cents(fields.get("amount") or "0"), note=note)
            return "The amount was refunded."
        case "cancel":
            cancel(world, order, with_refund=fields.get("with_refund") == "on")
            return "The order was cancelled."
        case _:
            raise FormError("Choose what to do.")


# the actions, with the webhooks Shopify sends for each


def mark_paid(world: World, order: things.Order) -> None:
    orders.pay(world.state, order)
    world.tell_order(order, "orders/paid", "orders/updated")


def refund(
    world: World,
    order: things.Order,
    lines: Sequence[tuple[int, int]] | None,
    *,
    note: str | None = None,
) -> things.Refund:
    """Lines, or everything when `lines` is None."""
    made = (
        orders.refund_whole(world.state, order, note=note)
        if lines is None
        else orders.refund_lines(world.state, order, lines, note=note)
    )
    world.tell_order(order, "orders/updated", refunds=[made])
    return made


def refund_amount(
    world: World, order: things.Order, amount_cents: int, *, note: str | None = None
) -> things.Refund:
    made = orders.refund_amount(world.state, order, amount_cents, note=note)
    world.tell_order(order, "orders/updated", refunds=[made])
    return made


def cancel(world: World, order: things.Order, *, with_refund: bool) -> None:
    """Cancelling refunds what was paid, unless the merchant does that later."""
    orders.cancel(world.state, order)
    is_refundable = order.is_paid and any(orders.refundable(order, line) for line in order.lines)
    refunds = (
        [orders.refund_whole(world.state, order, note="Order cancelled")]
        if with_refund and is_refundable
        else []
    )
    world.tell_order(order, "orders/cancelled", "orders/updated", refunds=refunds)


routes = [
    Route("/shops/{shop}/orders/{id}", page),
    Route("/shops/{shop}/orders/{id}", act, methods=["POST"]),
]
