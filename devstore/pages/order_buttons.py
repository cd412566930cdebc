"""What each button of an order's page does; a refusal is a sentence on that page."""

from collections.abc import Callable

from devstore.errors import FormError
from devstore.pages.shared import whole_number
from devstore.shop import acts, changes, edits, money, sold, things, totals
from devstore.world import World

Fields = dict[str, str]


def press(world: World, order: sold.Order, fields: Fields) -> str:
    """Do what `action` names, and say that it was done; raises RefusedError."""
    button = BUTTONS.get(fields.get("action", ""))
    if button is None:
        raise FormError("Choose what to do.")
    return button(world, order, fields)


# payment


def _pay(world: World, order: sold.Order, fields: Fields) -> str:
    amount = fields.get("amount")
    changes.pay(world, order, _cents(order, amount) if amount else None)
    left = totals.outstanding_cents(order)
    return f"{money.text(left, order.currency)} is left to pay." if left else "The order is paid."


# edit


def _add_line(world: World, order: sold.Order, fields: Fields) -> str:
    changes.edit(world, order, edits.Wish(add=[_item(order, fields)]))
    return "The line was added."


def _change_quantities(world: World, order: sold.Order, fields: Fields) -> str:
    changes.edit(world, order, edits.Wish(quantities=_pieces(order, fields)))
    return "The quantities were changed."


def _swap_evenly(world: World, order: sold.Order, _: Fields) -> str:
    line = _first_line(order)
    other = things.Item(f"{line.title}, another colour", line.price_cents, 1)
    left = totals.pieces_left(order, line)
    changes.edit(world, order, edits.Wish(add=[other], quantities=[(line.id, left - 1)]))
    return "One piece was swapped for another of the same price."


def _add_tip(world: World, order: sold.Order, fields: Fields) -> str:
    cents = _cents(order, fields.get("amount"))
    tip = things.Item("Tip", cents, 1, tip=fields.get("tip") or "gateway")
    changes.edit(world, order, edits.Wish(add=[tip]))
    return "The tip was added."


def _take_off_too_much(world: World, order: sold.Order, _: Fields) -> str:
    line = _first_line(order)
    changes.edit(world, order, edits.Wish(discounts=[(line.id, line.net_cents + 1)]))
    return f"The discount of {line.title} is above its price by the smallest coin."


# exchange


def _exchange(world: World, order: sold.Order, fields: Fields) -> str:
    back = [pair for pair in _pieces(order, fields) if pair[1]]
    changes.exchange(world, order, back, [_item(order, fields)])
    left = totals.outstanding_cents(order)
    if left > 0:
        return f"Exchanged; {money.text(left, order.currency)} is to be paid."
    return f"Exchanged; {money.text(-left, order.currency)} is to be given back."


# refund


def _refund_lines(world: World, order: sold.Order, fields: Fields) -> str:
    how = fields.get("money", "now")
    changes.refund(
        world,
        order,
        [pair for pair in _pieces(order, fields) if pair[1]],
        money_cents=0 if how == "later" else None,
        is_pending=how == "pending",
        note=fields.get("note") or None,
    )
    return "The chosen pieces came back; the money did not." if how == "later" else REFUNDED


def _refund_all(world: World, order: sold.Order, fields: Fields) -> str:
    changes.refund(world, order, None, note=fields.get("note") or None)
    return "Everything was refunded."


def _refund_amount(world: World, order: sold.Order, fields: Fields) -> str:
    cents, told = _cents(order, fields.get("amount")), fields.get("told", "plain")
    adjustment = sold.Adjustment(world.state.new_id(), -cents, "Refund discrepancy", None)
    changes.refund_amount(
        world,
        order,
        cents,
        is_pending=told == "pending",
        adjustments=[adjustment] if told == "no_kind" else None,
        note=fields.get("note") or None,
    )
    return "The amount was refunded."


def _settle(world: World, order: sold.Order, _: Fields) -> str:
    changes.settle(world, order)
    return "The money has arrived."


def _fail(world: World, order: sold.Order, _: Fields) -> str:
    changes.settle(world, order, is_success=False)
    return "The bank refused; the money stays."


# till


def _attach(world: World, order: sold.Order, fields: Fields) -> str:
    customer = world.state.find("customer", order.shop, fields.get("customer_id"))
    if customer is None or customer.is_deleted:
        raise FormError("There is no such customer in this shop.")
    is_paid_again = fields.get("paid_again") == "on"
    changes.attach(world, order, customer, is_paid_again=is_paid_again)
    return f"It was {customer.name} who bought it."


def _name_nobody(world: World, order: sold.Order, fields: Fields) -> str:
    if order.customer_id is not None or fields.get("guest_as") not in sold.GUESTS:
        raise FormError("Only a guest's order has nobody to tell of.")
    order.guest_as = fields["guest_as"]
    changes.tell_again(world, order, ["orders/updated", *(["orders/paid"] * order.is_paid)])
    return "The order was told again, with nobody in that shape."


# tax and currency


def _change_shop(world: World, order: sold.Order, fields: Fields) -> str:
    try:
        wanted = {
            "tax_percent": float(fields.get("tax_percent") or 0),
            "exchange_rate": float(fields.get("exchange_rate") or 1),
        }
    except ValueError:
        raise FormError("The tax and the rate are numbers.") from None
    acts.change_shop(
        world,
        world.state.shop(order.shop),
        {
            **wanted,
            "currency": fields.get("currency", ""),
            "timezone": fields.get("timezone", ""),
            "presentment_currency": fields.get("presentment_currency", ""),
            "taxes_included": fields.get("taxes_included") == "on",
            "is_tax_on_first_line": fields.get("tax_on_first_line") == "on",
        },
    )
    return "So it is for orders from now on; shop/update was sent."


# sending, telling, ending


def _send_one(world: World, order: sold.Order, _: Fields) -> str:
    changes.fulfill(world, order, [(_first_line(order).id, 1)])
    return "One piece was sent."


def _send_all(world: World, order: sold.Order, _: Fields) -> str:
    changes.fulfill(world, order, None)
    return "Everything was sent."


def _tell(world: World, order: sold.Order, fields: Fields) -> str:
    changes.tell_again(world, order, [fields.get("topic", "")])
    return f"{fields['topic']} was sent again."


def _tell_purchases(world: World, order: sold.Order, _: Fields) -> str:
    customer = world.state.find("customer", order.shop, order.customer_id)
    if customer is None:
        raise FormError("A guest has no summary.")
    world.tell_purchases(customer)
    return "customers/purchasing_summary was sent."


def _cancel(world: World, order: sold.Order, fields: Fields) -> str:
    acts.cancel(world, order, with_refund=fields.get("with_refund") == "on")
    return "The order was cancelled."


def _cents(order: sold.Order, amount: str | None) -> int:
    return money.cents(amount or "0", order.currency)


def _item(order: sold.Order, fields: Fields) -> things.Item:
    return things.Item(
        fields.get("title") or "Teapot",
        _cents(order, fields.get("price")),
        whole_number(fields, "quantity", 1),
    )


def _pieces(order: sold.Order, fields: Fields) -> list[tuple[int, int]]:
    return [
        (line.id, whole_number(fields, f"line_{line.id}"))
        for line in order.lines
        if f"line_{line.id}" in fields
    ]


def _first_line(order: sold.Order) -> sold.Line:
    found = (one for one in order.lines if totals.pieces_left(order, one) and not one.tip)
    line = next(found, None)
    if line is None:
        raise FormError("Nothing is left of this order.")
    return line


REFUNDED = "The chosen pieces were refunded."
BUTTONS: dict[str, Callable[[World, sold.Order, Fields], str]] = {
    "pay": _pay,
    "add_line": _add_line,
    "change_quantities": _change_quantities,
    "swap_evenly": _swap_evenly,
    "add_tip": _add_tip,
    "take_off_too_much": _take_off_too_much,
    "exchange": _exchange,
    "refund_lines": _refund_lines,
    "refund_all": _refund_all,
    "refund_amount": _refund_amount,
    "settle": _settle,
    "fail": _fail,
    "attach": _attach,
    "name_nobody": _name_nobody,
    "change_shop": _change_shop,
    "send_one": _send_one,
    "send_all": _send_all,
    "tell": _tell,
    "tell_purchases": _tell_purchases,
    "cancel": _cancel,
}
