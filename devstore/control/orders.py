"""Control of orders: placed, paid, edited, exchanged, given back, sent, and told again."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from devstore.control import asked as asking
from devstore.control.body import answer, customer_of, order_of, read
from devstore.errors import FormError
from devstore.shop import acts, carts, changes, edits, money, sold, things
from devstore.webhooks import forging, payload_changes, payload_refunds, payloads
from devstore.world import shop_of, world_of


async def place(request: Request) -> Response:
    world, shop, asked = world_of(request), shop_of(request), await read(request, asking.NewOrder)
    forging.check_size(asked.size_bytes)
    if asked.guest_as not in sold.GUESTS or asked.source not in sold.SOURCES:
        raise FormError(
            f"A guest is {', '.join(sold.GUESTS)}; the source is {', '.join(sold.SOURCES)}."
        )
    basket = things.Basket(
        [asking.item(world.state, shop, line) for line in asked.lines],
        customer_of(request, asked.customer_id) if asked.customer_id is not None else None,
        asked.email or (None if asked.source == "pos" else carts.GUEST),
    )
    how = sold.Placing(
        at=things.ago(asked.days_ago) or None,
        is_test=asked.test,
        is_paid=asked.paid,
        size_bytes=asked.size_bytes,
        source=asked.source,
        tags=(*asked.tags,),
        company_id=asked.company_id,
        guest_as=asked.guest_as,
        shipping_cents=_cents(shop, asked.shipping),
        taxes_included=asked.taxes_included,
        tax_percent=asked.tax_percent,
        is_tax_on_first_line=asked.tax_on_first_line,
        presentment_currency=asked.presentment_currency,
        exchange_rate=asked.exchange_rate,
    )
    order = acts.place_order(world, shop, basket, codes=asked.discount_codes, how=how)
    return answer(payloads.order(world.state, order), status_code=201)


async def list_all(request: Request) -> Response:
    state = world_of(request).state
    found = state.of_shop("order", shop_of(request).domain)
    return answer([payloads.order(state, one) for one in found])


async def show(request: Request) -> Response:
    return _shown(request, order_of(request))


async def pay(request: Request) -> Response:
    order, asked = order_of(request), await read(request, asking.Paying)
    amount_cents = _cents(shop_of(request), asked.amount)
    changes.pay(world_of(request), order, amount_cents, at=things.ago(asked.days_ago))
    return _shown(request, order)


async def edit(request: Request) -> Response:
    """Answers the body of `orders/edited`."""
    world, shop, order = world_of(request), shop_of(request), order_of(request)
    asked = await read(request, asking.Editing)
    wish = edits.Wish(
        add=[asking.item(world.state, shop, line) for line in asked.add],
        quantities=asking.pairs(asked.quantities),
        discounts=[
            (int(one.line_id), money.cents(one.amount, shop.currency)) for one in asked.discounts
        ],
        note=asked.note,
        at=things.ago(asked.days_ago),
    )
    return answer(payload_changes.order_edited(order, changes.edit(world, order, wish)))


async def exchange(request: Request) -> Response:
    """Answers the body of `returns/approve`; what is outstanding then is paid like any order."""
    world, shop, order = world_of(request), shop_of(request), order_of(request)
    asked = await read(request, asking.Exchanging)
    items = [asking.item(world.state, shop, line) for line in asked.lines]
    made = changes.exchange(
        world, order, asking.pairs(asked.back), items, at=things.ago(asked.days_ago)
    )
    return answer(payload_changes.return_told("returns/approve", order, made))


async def refund(request: Request) -> Response:
    """By lines, by all of them ("all"), or by an amount; answers the last refund."""
    world, shop, order = world_of(request), shop_of(request), order_of(request)
    asked = await read(request, asking.NewRefund)
    if (asked.adjustments and asked.amount is None) or (
        asked.money is not None and not asked.lines
    ):
        raise FormError("Adjustments are told with an amount, and money is given for lines.")
    made: sold.Refund | None = None
    at = things.ago(asked.days_ago)
    if asked.lines:
        if isinstance(asked.lines, str) and asked.lines != "all":
            raise FormError("The lines are a list, or “all”.")
        lines = None if isinstance(asked.lines, str) else asking.pairs(asked.lines)
        made = changes.refund(
            world,
            order,
            lines,
            money_cents=_cents(shop, asked.money),
            is_pending=asked.pending,
            note=asked.note,
            at=at,
        )
    if asked.amount is not None:
        made = changes.refund_amount(
            world,
            order,
            money.cents(asked.amount, shop.currency),
            is_pending=asked.pending,
            adjustments=_adjustments(request, asked.adjustments),
            note=asked.note,
            at=at,
        )
    if made is None:
        raise FormError("Say which lines, “all”, or an amount.")
    return answer(payload_refunds.refund(order, made), status_code=201)


async def settle(request: Request) -> Response:
    """The oldest pending money arrives, or does not; answers its refund."""
    order, asked = order_of(request), await read(request, asking.Settling)
    made = changes.settle(
        world_of(request), order, is_success=asked.success, at=things.ago(asked.days_ago)
    )
    return answer(payload_refunds.refund(order, made))


async def cancel(request: Request) -> Response:
    order, asked = order_of(request), await read(request, asking.Cancelling)
    acts.cancel(world_of(request), order, with_refund=asked.refund, at=things.ago(asked.days_ago))
    return _shown(request, order)


async def attach(request: Request) -> Response:
    """Say afterwards who bought it, as at a till."""
    order, asked = order_of(request), await read(request, asking.Attaching)
    changes.attach(
        world_of(request),
        order,
        customer_of(request, asked.customer_id),
        is_paid_again=asked.paid_again,
        at=things.ago(asked.days_ago),
    )
    return _shown(request, order)


async def fulfill(request: Request) -> Response:
    order, asked = order_of(request), await read(request, asking.Fulfilling)
    lines = None if asked.lines is None else asking.pairs(asked.lines)
    changes.fulfill(world_of(request), order, lines, at=things.ago(asked.days_ago))
    return _shown(request, order)


async def tell(request: Request) -> Response:
    """The order as it is now, once more, under the topics asked for."""
    order, asked = order_of(request), await read(request, asking.Telling)
    changes.tell_again(world_of(request), order, asked.topics)
    return _shown(request, order)


async def delete(request: Request) -> Response:
    order = order_of(request)
    acts.delete_order(world_of(request), order)
    return answer(payload_changes.order_deleted(order))


def _cents(shop: things.Shop, amount: asking.Amount | None) -> int | None:
    return None if amount is None else money.cents(amount, shop.currency)


def _adjustments(
    request: Request, asked: list[asking.NewAdjustment] | None
) -> list[sold.Adjustment] | None:
    if asked is None:
        return None
    state, currency = world_of(request).state, shop_of(request).currency
    return [
        sold.Adjustment(
            state.new_id(), money.signed_cents(one.amount, currency), one.reason, one.kind
        )
        for one in asked
    ]


def _shown(request: Request, order: sold.Order) -> Response:
    return answer(payloads.order(world_of(request).state, order))


ORDERS = "/control/shops/{shop}/orders"
ORDER = ORDERS + "/{id}"
routes = [
    Route(ORDERS, list_all),
    Route(ORDERS, place, methods=["POST"]),
    Route(ORDER, show),
    Route(ORDER, delete, methods=["DELETE"]),
    Route(ORDER + "/pay", pay, methods=["POST"]),
    Route(ORDER + "/edit", edit, methods=["POST"]),
    Route(ORDER + "/exchange", exchange, methods=["POST"]),
    Route(ORDER + "/refund", refund, methods=["POST"]),
    Route(ORDER + "/settle", settle, methods=["POST"]),
    Route(ORDER + "/cancel", cancel, methods=["POST"]),
    Route(ORDER + "/attach", attach, methods=["POST"]),
    Route(ORDER + "/fulfill", fulfill, methods=["POST"]),
    Route(ORDER + "/tell", tell, methods=["POST"]),
]
