"""The page of one order: what became of it, and the buttons of what the merchant can do to it."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from devstore.errors import RefusedError
from devstore.pages import order_buttons
from devstore.pages.shared import form_of, go, render
from devstore.pages.storefront import show
from devstore.shop import acts, changes, money, sold, totals
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
        history=history(order),
    )


def history(order: sold.Order) -> list[tuple[str, str]]:
    """When something happened, and what, oldest first."""
    happened = [(order.created_at, "placed")]
    happened += [(one.paid_at, f"{_text(order, one.amount_cents)} paid") for one in order.payments]
    happened += [(one.committed_at, _edited(one)) for one in order.edits]
    happened += [(one.created_at, f"exchanged ({one.name})") for one in order.returns]
    happened += [(one.created_at, _refunded(order, one)) for one in order.refunds]
    happened += [
        (one.created_at, f"sent, pieces: {sum(pieces for _, pieces in one.pieces)}")
        for one in order.fulfillments
    ]
    if order.cancelled_at:
        happened.append((order.cancelled_at, "cancelled"))
    return sorted(happened, key=lambda one: one[0])


def _edited(one: sold.Edit) -> str:
    counts = len(one.added), len(one.removed), len(one.discounted)
    return "edited: {} added, {} taken off, {} discounted".format(*counts)


def _refunded(order: sold.Order, one: sold.Refund) -> str:
    worth, given = _text(order, totals.worth_cents(order, one)), _text(order, one.money_cents)
    status = "" if one.money_status == "success" else f", {one.money_status}"
    note = f" ({one.note})" if one.note else ""
    return f"goods worth {worth} came back, {given} was given{status}{note}"


def _text(order: sold.Order, amount_cents: int) -> str:
    return f"{money.text(amount_cents, order.currency)} {order.currency}"


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
