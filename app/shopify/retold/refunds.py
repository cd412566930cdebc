"""The bodies of refunds.

The API does not tell whether an adjustment is of shipping: that is found out by what came back of
it.
"""

from collections.abc import Sequence
from decimal import Decimal

from app.shopify.retold import parts
from app.shopify.retold.parts import ZERO, Answer, Json

SHIPPING, DISCREPANCY = "shipping_refund", "refund_discrepancy"


def refund(told: Answer, lines: Sequence[Answer], of: Answer) -> Json:
    """The body of `refunds/create`, with all its `lines`, of an order as `order` is told it."""
    currency, presentment = of["currencyCode"], of["presentmentCurrencyCode"]
    shipping = [_shipping_back(one, currency) for one in parts.nodes(told, "refundShippingLines")]
    back = sum(
        (
            parts.amount(one["subtotalAmountSet"])
            for one in parts.nodes(told, "refundShippingLines")
        ),
        ZERO,
    )
    return {
        "id": parts.number(told["id"]),
        "order_id": parts.number(of["id"]),
        "admin_graphql_api_id": told["id"],
        "created_at": told["createdAt"],
        "processed_at": told["processedAt"],
        "refund_line_items": [
            {
                "line_item_id": parts.number(one["lineItem"]["id"]),
                "quantity": one["quantity"],
                "line_item": {"title": one["lineItem"]["title"]},
            }
            for one in lines
        ],
        "refund_shipping_lines": shipping,
        "order_adjustments": [
            _adjustment(one, currency, presentment, back)
            for one in parts.nodes(told, "orderAdjustments")
        ],
        "transactions": [
            {
                "kind": parts.lower(one["kind"]),
                "status": parts.lower(one["status"]),
                "amount": parts.text(
                    parts.amount(one["amountSet"], "presentmentMoney"), presentment
                ),
            }
            for one in parts.nodes(told, "transactions")
        ],
    }


def _shipping_back(told: Answer, currency: str) -> Json:
    sets = {"subtotal_amount": told["subtotalAmountSet"], "tax_amount": told["taxAmountSet"]}
    return {
        name: said
        for field, money_set in sets.items()
        for name, said in parts.pair(field, money_set, currency).items()
        if name.endswith("_set")
    }


def _adjustment(told: Answer, currency: str, presentment: str, shipping_back: Decimal) -> Json:
    amount, paid = (
        parts.amount(told["amountSet"], name) for name in ("shopMoney", "presentmentMoney")
    )
    reason = told["reason"]
    is_shipping = reason is None and bool(shipping_back) and amount == -shipping_back
    sets = {
        "shop_money": {"amount": parts.text(amount, currency)},
        "presentment_money": {"amount": parts.text(paid, presentment)},
    }
    return {
        "kind": SHIPPING if is_shipping else DISCREPANCY,
        "reason": str(reason).replace("_", " ").capitalize() if reason else None,
        "amount": parts.text(amount, currency),
        "amount_set": sets,
        **parts.pair("tax_amount", told["taxAmountSet"], currency),
    }
