"""What an order is worth, what is paid and given back, and what is left of each of its lines."""

from devstore.shop import money, sold


def tax_of(order: sold.Order, net_cents: int) -> int:
    """The tax on an amount, or the part of the amount that is tax when prices include it."""
    how = money.percentage_inside if order.taxes_included else money.percentage
    return how(max(0, net_cents), order.tax_percent)


def line_cents(order: sold.Order, line: sold.Line) -> int:
    return line.net_cents + _added(order, line.tax_cents)


def tip_cents(order: sold.Order) -> int:
    return sum(line.gross_cents for line in order.lines if line.tip)


def total_cents(order: sold.Order) -> int:
    """All that was ever sold with it: what was taken off again is part of its refunds."""
    return sum(line_cents(order, line) for line in order.lines) + order.shipping_cents


def worth_cents(order: sold.Order, refund: sold.Refund) -> int:
    """What the pieces and the shipping of a refund were bought for."""
    items = sum(item.subtotal_cents + _added(order, item.tax_cents) for item in refund.items)
    return items + refund.shipping_cents


def current_cents(order: sold.Order) -> int:
    """What the order is worth now, after edits, returns and refunds."""
    if order.cancelled_at and not order.is_paid:
        return 0
    off = sum(
        worth_cents(order, one) - sum(adjustment.amount_cents for adjustment in one.adjustments)
        for one in order.refunds
    )
    return total_cents(order) - off


def received_cents(order: sold.Order) -> int:
    return sum(payment.amount_cents for payment in order.payments)


def given_back_cents(order: sold.Order) -> int:
    """What has reached the customer, without what is pending."""
    return sum(one.money_cents for one in order.refunds if one.money_status == "success")


def refundable_cents(order: sold.Order) -> int:
    """What can still be given back; pending money is on its way already."""
    on_its_way = sum(one.money_cents for one in order.refunds if one.money_status != "failure")
    return received_cents(order) - on_its_way


def outstanding_cents(order: sold.Order) -> int:
    """What is still to be paid; negative when the shop owes it to the customer."""
    if order.cancelled_at:
        return 0
    return current_cents(order) - received_cents(order) + given_back_cents(order)


def pieces_left(order: sold.Order, line: sold.Line) -> int:
    """How many pieces have neither come back nor been taken off."""
    return line.quantity - sum(
        item.quantity
        for refund in order.refunds
        for item in refund.items
        if item.line_id == line.id
    )


def financial_status(order: sold.Order) -> str:
    """`pending`, `partially_paid`, `paid`, `partially_refunded`, `refunded` or `voided`."""
    if not order.is_paid:
        return "voided" if order.cancelled_at else "pending"
    if outstanding_cents(order) > 0:
        return "partially_paid"
    back = given_back_cents(order)
    if not back:
        return "paid"
    return "refunded" if back >= received_cents(order) else "partially_refunded"


def fulfillment_status(order: sold.Order) -> str | None:
    """`partial`, `fulfilled`, or None before anything was sent."""
    sent = {line.id: pieces_sent(order, line) for line in order.lines}
    if not any(sent.values()):
        return None
    is_all = all(
        sent[line.id] >= pieces_left(order, line)
        for line in order.lines
        if not line.is_gift_card and not line.tip
    )
    return "fulfilled" if is_all else "partial"


def pieces_sent(order: sold.Order, line: sold.Line) -> int:
    return sum(
        quantity
        for fulfillment in order.fulfillments
        for line_id, quantity in fulfillment.pieces
        if line_id == line.id
    )


def _added(order: sold.Order, tax_cents: int) -> int:
    return 0 if order.taxes_included else tax_cents
