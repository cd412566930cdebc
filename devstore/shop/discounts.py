"""Discount codes: who may use one, and how much it takes off each line."""

from collections.abc import Sequence
from datetime import datetime

from devstore.errors import CodeRefusedError
from devstore.shop import money, sold, things
from devstore.shop.state import State

CODES_LIMIT = 5


def check_all(
    state: State, shop: things.Shop, codes: Sequence[str], basket: things.Basket
) -> list[things.Discount]:
    """The discounts behind the codes, all usable together for this purchase.

    Raises CodeRefusedError for the first that is not.
    """
    found: list[things.Discount] = []
    for code in codes:
        discount = check(state, shop, code, basket)
        if any(other.id == discount.id for other in found):
            continue
        if found and not (
            discount.combines_with_orders and all(other.combines_with_orders for other in found)
        ):
            raise CodeRefusedError(f"{discount.code} cannot be combined with {found[-1].code}.")
        found.append(discount)
    if len(found) > CODES_LIMIT:
        raise CodeRefusedError(f"At most {CODES_LIMIT} codes can be used at once.")
    return found


def check(state: State, shop: things.Shop, code: str, basket: things.Basket) -> things.Discount:
    """The discount, when this purchase may use it.

    Raises CodeRefusedError unless it exists, is active, is for this customer, is not used up, and
    its minimum is met.
    """
    discount = state.discount_by_code(shop.domain, code)
    if discount is None:
        raise CodeRefusedError(f"{code} is not a valid discount code.")
    _check_use(discount, basket)
    goods = [item for item in basket.items if not item.is_gift_card and not item.tip]
    if not goods:
        raise CodeRefusedError(f"{discount.code} takes nothing off an empty cart or gift cards.")
    if sum(item.price_cents * item.quantity for item in goods) < (
        discount.minimum_subtotal_cents or 0
    ):
        raise CodeRefusedError(
            f"{discount.code} needs "
            f"{money.text(discount.minimum_subtotal_cents or 0, shop.currency)} in the cart."
        )
    if sum(item.quantity for item in goods) < (discount.minimum_quantity or 0):
        raise CodeRefusedError(
            f"{discount.code} needs {discount.minimum_quantity} items in the cart."
        )
    return discount


def _check_use(discount: things.Discount, basket: things.Basket) -> None:
    if status(discount) != "ACTIVE":
        raise CodeRefusedError(f"{discount.code} is not active.")
    is_for_all = discount.customer_ids is None
    if not is_for_all and (
        basket.customer is None or basket.customer.id not in (discount.customer_ids or ())
    ):
        raise CodeRefusedError(f"{discount.code} is not available to this customer.")
    if discount.usage_limit is not None and discount.uses >= discount.usage_limit:
        raise CodeRefusedError(f"{discount.code} has been used already.")
    if discount.once_per_customer and basket.buyer in discount.used_by:
        raise CodeRefusedError(f"{discount.code} can be used once per customer.")


def status(discount: things.Discount, at: str | None = None) -> str:
    """ACTIVE, SCHEDULED or EXPIRED, as `DiscountStatus`."""
    moment = datetime.fromisoformat(at or things.now())
    if not discount.is_active or (
        discount.ends_at and datetime.fromisoformat(discount.ends_at) <= moment
    ):
        return "EXPIRED"
    return "SCHEDULED" if datetime.fromisoformat(discount.starts_at) > moment else "ACTIVE"


def apply(discount: things.Discount, lines: list[sold.Line], currency: str) -> sold.CodeUse:
    """Take the discount off the lines (gift cards excepted), one allocation appended to each."""
    weights = [0 if line.is_gift_card or line.tip else line.net_cents for line in lines]
    each = discount.amount_cents
    if each is None:
        shares = money.spread(money.percentage(sum(weights), discount.percent), weights)
    elif discount.on_each_item:
        shares = [
            min(weight, each * line.quantity) for weight, line in zip(weights, lines, strict=True)
        ]
    else:
        shares = money.spread(min(each, sum(weights)), weights)
    for line, share in zip(lines, shares, strict=True):
        line.allocations.append(share)
    return sold.CodeUse(
        code=discount.code,
        amount_cents=sum(shares),
        value=str(discount.percent) if each is None else str(float(money.text(each, currency))),
        value_type="percentage" if each is None else "fixed_amount",
    )
