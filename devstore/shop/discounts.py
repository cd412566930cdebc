"""Discount codes: who may use one, and how much it takes off each line."""

from collections.abc import Collection, Sequence
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
        for other in found:
            if not (_combines(discount, other) and _combines(other, discount)):
                raise CodeRefusedError(f"{discount.code} cannot be combined with {other.code}.")
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
    products = products_of(state, shop, discount)
    if products is not None:
        goods = [item for item in goods if item.product_id in products]
        if not goods:
            raise CodeRefusedError(f"{discount.code} is for other products than those in the cart.")
    if discount.bought_ids:
        _check_bought(state, shop, discount, basket, goods)
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


def _check_bought(
    state: State,
    shop: things.Shop,
    discount: things.Discount,
    basket: things.Basket,
    goods: Sequence[things.Item],
) -> None:
    """Something is bought beside the piece that is free, which is the cheapest of them."""
    counting = in_collections(state, shop, discount.bought_ids)
    free = min(goods, key=lambda item: item.price_cents)
    pieces = cents = 0
    for item in basket.items:
        if item.product_id in counting:
            bought = item.quantity - (1 if item is free else 0)
            pieces, cents = pieces + bought, cents + bought * item.price_cents
    if not pieces or cents < (discount.bought_cents or 0):
        raise CodeRefusedError(f"{discount.code} needs something else to be bought with it.")


def kind(discount: things.Discount) -> str:
    """Its class: order, product or shipping."""
    if discount.is_shipping:
        return "shipping"
    return "product" if discount.product_ids or discount.collection_ids else "order"


def _combines(one: things.Discount, other: things.Discount) -> bool:
    return {
        "order": one.combines_with_orders,
        "product": one.combines_with_products,
        "shipping": one.combines_with_shipping,
    }[kind(other)]


def products_of(state: State, shop: things.Shop, discount: things.Discount) -> set[int] | None:
    """The products it is for, by id; None: all."""
    if not discount.product_ids and not discount.collection_ids:
        return None
    return {*discount.product_ids, *in_collections(state, shop, discount.collection_ids)}


def in_collections(state: State, shop: things.Shop, ids: Collection[int]) -> set[int]:
    """The products in any of these collections."""
    return {
        product_id
        for one in state.of_shop("collection", shop.domain)
        if one.id in ids
        for product_id in one.product_ids
    }


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


def apply(
    discount: things.Discount,
    lines: list[sold.Line],
    currency: str,
    products: set[int] | None = None,
    shipping_cents: int = 0,
) -> sold.CodeUse:
    """Take the discount off the lines (gift cards excepted; of `products` alone), one allocation
    appended to each; or off the shipping.
    """
    if discount.is_shipping:
        for line in lines:
            line.allocations.append(0)
        return sold.CodeUse(discount.code, shipping_cents, "100.0", "percentage", is_shipping=True)
    weights = [
        line.net_cents
        if not line.is_gift_card
        and not line.tip
        and (products is None or line.product_id in products)
        else 0
        for line in lines
    ]
    each = discount.amount_cents
    if discount.bought_ids:
        prices = [line.price_cents for line, weight in zip(lines, weights, strict=True) if weight]
        free = next(
            place
            for place, (line, weight) in enumerate(zip(lines, weights, strict=True))
            if weight and line.price_cents == min(prices)
        )
        shares = [
            min(weights[free], lines[free].price_cents) if place == free else 0
            for place in range(len(lines))
        ]
    elif each is None:
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
