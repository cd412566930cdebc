"""Reads the input of a discount code as the Admin API does: a discount, or its user errors."""

import re
from datetime import datetime
from typing import Any

from devstore.errors import AmountError
from devstore.shop import money, things
from devstore.shop.state import State

BASIC, SHIPPING = "basicCodeDiscount", "freeShippingCodeDiscount"
BXGY = "bxgyCodeDiscount"
TEXT_LIMIT = 255
ITEMS_LIMIT = 250


def error(field: list[str], code: str, message: str) -> dict[str, Any]:
    return {
        "__typename": "DiscountUserError",
        "field": field,
        "code": code,
        "message": message,
        "extraInfo": None,
    }


def refusal(root: str = BASIC) -> dict[str, Any]:
    """What is said of a discount when no new one is wanted, whatever it is."""
    return error([root], "INVALID", "This store takes no new discounts.")


class _Errors(list[dict[str, Any]]):
    def __init__(self, root: str) -> None:
        super().__init__()
        self.root = root

    def note(self, path: str, code: str, message: str) -> None:
        self.append(error([self.root, *path.split(".")], code, message))


def read(
    state: State, shop: things.Shop, given: dict[str, Any], root: str = BASIC
) -> tuple[things.Discount | None, list[dict[str, Any]]]:
    """A discount that is not stored yet, or None with the reasons."""
    errors = _Errors(root)
    _check_text(state, shop, given, errors)
    customer_ids = _customers(state, shop, given, errors)
    amount_cents, percent, on_each_item = None, 100.0, False
    product_ids: list[int] = []
    collection_ids: list[int] = []
    bought_ids: list[int] = []
    bought_cents = None
    combines = given.get("combinesWith") or {}
    if root == BXGY:
        amount_cents, percent = None, 100.0
        product_ids, _ = _items(state, shop, given, errors)
        bought_ids, bought_cents = _buys(state, shop, given, errors)
    elif root == BASIC:
        amount_cents, percent, on_each_item = _value(shop, given, errors)
        product_ids, collection_ids = _items(state, shop, given, errors)
    elif combines.get("shippingDiscounts"):
        errors.note(
            "combinesWith",
            "INVALID_COMBINES_WITH_FOR_DISCOUNT_CLASS",
            "The combinesWith settings are not valid for the discount class.",
        )
    starts_at, ends_at = _period(given, errors)
    subtotal_cents, quantity = _minimum(shop, given, errors)
    usage_limit = given.get("usageLimit")
    if usage_limit is not None and usage_limit < 1:
        errors.note("usageLimit", "GREATER_THAN", "Usage limit must be greater than 0")
    if errors:
        return None, errors
    at = things.now()
    made = things.Discount(
        id=state.new_id(),
        redeem_code_id=state.new_id(),
        shop=shop.domain,
        code=given["code"],
        title=given["title"],
        created_at=at,
        updated_at=at,
        starts_at=starts_at or at,
        ends_at=ends_at,
        amount_cents=amount_cents,
        percent=percent,
        on_each_item=on_each_item,
        is_shipping=root == SHIPPING,
        product_ids=product_ids,
        collection_ids=collection_ids,
        bought_ids=bought_ids,
        bought_cents=bought_cents,
        customer_ids=customer_ids,
        usage_limit=usage_limit,
        once_per_customer=bool(given.get("appliesOncePerCustomer")),
        minimum_subtotal_cents=subtotal_cents,
        minimum_quantity=quantity,
        combines_with_orders=bool(combines.get("orderDiscounts")),
        combines_with_products=bool(combines.get("productDiscounts")),
        combines_with_shipping=bool(combines.get("shippingDiscounts")),
    )
    return made, []


def _check_text(state: State, shop: things.Shop, given: dict[str, Any], errors: _Errors) -> None:
    for name in ("code", "title"):
        value = given.get(name) or ""
        if not value.strip():
            errors.note(name, "BLANK", f"{name.title()} can't be blank")
        elif len(value) > TEXT_LIMIT:
            errors.note(
                name, "TOO_LONG", f"{name.title()} is too long (maximum is {TEXT_LIMIT} characters)"
            )
    code = given.get("code") or ""
    if re.search(r"[\n,]", code):
        errors.note("code", "INVALID", "Code is invalid")
    if state.discount_by_code(shop.domain, code):
        errors.note("code", "TAKEN", "Code must be unique. Please try a different code.")


def _customers(
    state: State, shop: things.Shop, given: dict[str, Any], errors: _Errors
) -> list[int] | None:
    context = given.get("context") or given.get("customerSelection")
    if not context:
        errors.note("context", "BLANK", "Context can't be blank")
        return None
    if "customers" not in context:
        if not context.get("all"):
            errors.note(
                "context", "INVALID", "The stand-in store knows all customers or named ones only"
            )
        return None
    found = []
    for gid in (context["customers"] or {}).get("add") or []:
        key = str(gid).removeprefix("gid://shopify/Customer/")
        customer = state.find("customer", shop.domain, key)
        if customer is None or customer.is_deleted:
            errors.note("context.customers.add", "INVALID", f"Customer {gid} is invalid")
        else:
            found.append(customer.id)
    if not found and not errors:
        errors.note("context.customers.add", "BLANK", "Customers can't be blank")
    return found


def _value(
    shop: things.Shop, given: dict[str, Any], errors: _Errors
) -> tuple[int | None, float, bool]:
    value = (given.get("customerGets") or {}).get("value") or {}
    if value.get("discountOnQuantity"):
        field = "customerGets.value.discountOnQuantity"
        errors.note(field, "INVALID", "discountOnQuantity is for buy X get Y discounts")
    if "percentage" in value and value["percentage"] is not None:
        if not 0 < value["percentage"] <= 1:
            errors.note(
                "customerGets.value.percentage",
                "VALUE_OUTSIDE_RANGE",
                "Value must be between 0.0 and 1.0",
            )
        return None, value["percentage"] * 100, False
    amount = value.get("discountAmount") or {}
    try:
        amount_cents = money.cents(amount.get("amount"), shop.currency)
    except AmountError:
        amount_cents = 0
    if not amount_cents:
        errors.note(
            "customerGets.value.discountAmount.amount",
            "GREATER_THAN",
            "Amount must be greater than 0",
        )
    return amount_cents, 0.0, bool(amount.get("appliesOnEachItem"))


def _buys(
    state: State, shop: things.Shop, given: dict[str, Any], errors: _Errors
) -> tuple[list[int], int | None]:
    """Of what something is bought for one piece that is free, and for how much at least: the only
    ones that are known here.
    """
    got = ((given.get("customerGets") or {}).get("value") or {}).get("discountOnQuantity") or {}
    is_free = (got.get("effect") or {}).get("percentage") == 1
    if str(got.get("quantity")) != "1" or not is_free or given.get("usesPerOrderLimit") != 1:
        errors.note("customerGets.value", "INVALID", "The stand-in store gives one piece free")
    buys = given.get("customerBuys") or {}
    items, value = buys.get("items") or {}, buys.get("value") or {}
    ids = [
        int(str(one).rpartition("/")[2] or 0)
        for one in (items.get("collections") or {}).get("add") or []
    ]
    if not ids:
        errors.note("customerBuys.items", "BLANK", "Items in 'customer buys' must be defined")
    _check_collections(state, shop, ids, "customerBuys.items.collections.add", errors)
    if value.get("amount") is None:
        if str(value.get("quantity")) != "1":
            errors.note("customerBuys.value", "INVALID", "The stand-in store asks for one piece")
        return ids, None
    try:
        return ids, money.cents(value["amount"], shop.currency)
    except AmountError:
        errors.note("customerBuys.value.amount", "INVALID", "Amount is invalid")
        return ids, None


def _check_collections(
    state: State, shop: things.Shop, ids: list[int], field: str, errors: _Errors
) -> None:
    if any(state.find("collection", shop.domain, one) is None for one in ids):
        errors.note(field, "INVALID", "Collection is invalid")


def _items(
    state: State, shop: things.Shop, given: dict[str, Any], errors: _Errors
) -> tuple[list[int], list[int]]:
    """The products, or the collections, that it is for; neither: all."""
    items = (given.get("customerGets") or {}).get("items") or {}
    products = (items.get("products") or {}).get("productsToAdd") or []
    collections = (items.get("collections") or {}).get("add") or []
    ways = [bool(items.get("all")), bool(products), bool(collections)]
    if not any(ways):
        errors.note("customerGets.items", "BLANK", "Items can't be blank")
    elif sum(ways) > 1:
        errors.note("customerGets.items", "CONFLICT", "Only one of all, products and collections")
    if max(len(products), len(collections)) > ITEMS_LIMIT:
        errors.note("customerGets.items", "EXCEEDED_MAX", "Too many items")
    product_ids, collection_ids = (
        [int(str(one).rpartition("/")[2] or 0) for one in ids] for ids in (products, collections)
    )
    if any(state.find("product", shop.domain, one) is None for one in product_ids):
        errors.note("customerGets.items.products.productsToAdd", "INVALID", "Product is invalid")
    field = "customerGets.items.collections.add"
    _check_collections(state, shop, collection_ids, field, errors)
    return product_ids, collection_ids


def _period(given: dict[str, Any], errors: _Errors) -> tuple[str | None, str | None]:
    moments: list[datetime | None] = []
    for name in ("startsAt", "endsAt"):
        text = given.get(name)
        try:
            moment = datetime.fromisoformat(str(text)).astimezone() if text else None
        except ValueError:
            errors.note(name, "INVALID", f"{name} is not a time")
            moment = None
        moments.append(moment)
    starts, ends = moments
    if not given.get("startsAt"):
        errors.note("startsAt", "BLANK", "Starts at can't be blank")
    if starts and ends and ends <= starts:
        errors.note("endsAt", "END_DATE_BEFORE_START_DATE", "Ends at needs to be after starts at")
    return starts.isoformat() if starts else None, ends.isoformat() if ends else None


def _minimum(
    shop: things.Shop, given: dict[str, Any], errors: _Errors
) -> tuple[int | None, int | None]:
    minimum = given.get("minimumRequirement") or {}
    subtotal = (minimum.get("subtotal") or {}).get("greaterThanOrEqualToSubtotal")
    quantity = (minimum.get("quantity") or {}).get("greaterThanOrEqualToQuantity")
    if subtotal is not None and quantity is not None:
        errors.note(
            "minimumRequirement",
            "MINIMUM_SUBTOTAL_AND_QUANTITY_RANGE_BOTH_PRESENT",
            "Only one minimum",
        )
    try:
        subtotal_cents = None if subtotal is None else money.cents(subtotal, shop.currency)
        return subtotal_cents, int(quantity) if quantity else None
    except ValueError:
        errors.note("minimumRequirement", "INVALID", "Minimum requirement is invalid")
        return None, None
