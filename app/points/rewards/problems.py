"""What is wrong with a reward, by field, as plain sentences; the form asks, and whoever saves."""

import re
from decimal import Decimal

from app import money
from app.points.rewards.rules import (
    CHOSEN_KINDS,
    CODE_KINDS,
    DISCOUNTS,
    KINDS,
    MONEY_KINDS,
    Choose,
    Details,
    Offered,
    Wanted,
)

COST_MAX = 10_000_000
AMOUNT_MAX = 100_000
GIFT_CARD_MAX = Decimal(2_000)  # what Shopify issues at most, in US dollars
PERCENT_MAX = 100
TITLE_LENGTH_MAX, TEXT_LENGTH_MAX, ICON_LENGTH_MAX = 120, 500, 500
EMOJI_LENGTH_MAX = 16
IDS_MAX = 100  # products, or collections, of a reward; Shopify takes 250 in one call
DAYS_MAX = 3_650
PER_CUSTOMER_MAX = 1_000
CHOICES_MAX = 10_000  # different numbers of points
ID = re.compile(r"[0-9]{1,20}", re.ASCII)
ANYTHING = Offered()
PLAIN = "Please write plain text: it cannot hold < or >."


def problems(wanted: Wanted, offered: Offered = ANYTHING) -> dict[str, str]:
    """What is wrong with a reward, by field, as sentences."""
    found: dict[str, str] = {}
    if not 1 <= len(wanted.title) <= TITLE_LENGTH_MAX:
        found["title"] = (
            f"Please give a name of at most {TITLE_LENGTH_MAX} characters; shoppers see it."
        )
    elif set(wanted.title) & set("<>"):
        found["title"] = PLAIN
    if wanted.kind not in KINDS:
        return found | {"kind": "Please choose what shoppers get."}
    if wanted.details.choose is not None:
        found |= _choosing(wanted.kind, wanted.details.choose, offered)
    else:
        found |= _costing(wanted, offered)
    return (
        found
        | _conditions(wanted, offered)
        | _audience(wanted.details, offered)
        | _looks(wanted.details)
    )


def _costing(wanted: Wanted, offered: Offered) -> dict[str, str]:
    found = {}
    if wanted.cost is None or not 1 <= wanted.cost <= COST_MAX:
        found["cost"] = f"Please give a whole number of points, at least 1 and up to {COST_MAX:,}."
    is_whole = wanted.kind == "free_product" and wanted.details.bought  # free whatever it costs
    if (
        not is_whole
        and wanted.kind in MONEY_KINDS
        and (problem := _amount(wanted.kind, wanted.amount_off, offered))
    ):
        found["amount_off"] = problem
    if wanted.kind == "percent_off" and not _is_percent(wanted.details.percent):
        found["percent"] = (
            f"Please give a percentage above 0 and up to {PERCENT_MAX}, with at most two decimals."
        )
    least = _decimal(wanted.details.minimum)
    if (
        wanted.kind == "amount_off"
        and least
        and wanted.amount_off is not None
        and wanted.amount_off > least
    ):
        found["minimum"] = (
            f"It would take {wanted.amount_off} off an order of {least}: please ask for at least "
            f"{wanted.amount_off}, or leave it empty."
        )
    return found


def _amount(kind: str, amount: Decimal | None, offered: Offered) -> str:
    if amount is None or not 0 < amount <= AMOUNT_MAX:
        return f"Please give an amount above 0 and up to {AMOUNT_MAX:,}."
    if offered.currency and amount != round(amount, money.decimals(offered.currency)):
        return f"Please give a whole amount: {offered.currency} has no smaller coins."
    if kind == "gift_card" and offered.currency == "USD" and amount > GIFT_CARD_MAX:
        return f"Shopify issues gift cards of at most {GIFT_CARD_MAX:,} USD."
    return ""


def _is_percent(typed: str) -> bool:
    percent = _decimal(typed)
    return percent is not None and 0 < percent <= PERCENT_MAX


def _choosing(kind: str, choose: Choose, offered: Offered) -> dict[str, str]:
    if kind not in CHOSEN_KINDS:
        return {"points_per_unit": "Shoppers cannot choose how many points this reward costs."}
    found = {}
    unit = _decimal(choose.unit)
    whole = {
        "points_per_unit": choose.points_per_unit,
        "least": choose.least,
        "most": choose.most,
        "step": choose.step,
    }
    for name, points in whole.items():
        if not 1 <= points <= COST_MAX:
            found[name] = (
                f"Please give a whole number of points, at least 1 and up to {COST_MAX:,}."
            )
    if unit is None or not 0 < unit <= AMOUNT_MAX:
        found["unit"] = "Please give what these points are worth, above 0."
    elif kind != "percent_off" and (problem := _amount("", unit, offered)):
        found["unit"] = problem
    if found or unit is None:
        return found
    return _chosen_numbers(choose) or _dearest(kind, choose, unit, offered)


def _chosen_numbers(choose: Choose) -> dict[str, str]:
    """How least, most and step go together."""
    each, found = choose.points_per_unit, {}
    for name, points in (("least", choose.least), ("step", choose.step)):
        if points % each:
            found[name] = f"Please give a multiple of {each:,}: so many points are one unit."
    if choose.most < choose.least:
        found["most"] = f"Please give at least {choose.least:,}, which is the least."
    elif (choose.most - choose.least) % choose.step:
        found["most"] = f"Please give {choose.least:,} and so many times {choose.step:,} more."
    elif (choose.most - choose.least) // choose.step >= CHOICES_MAX:
        found["step"] = "Please give a larger step: nobody chooses among so many."
    return found


def _dearest(kind: str, choose: Choose, unit: Decimal, offered: Offered) -> dict[str, str]:
    """What the most points would give."""
    worth = unit * (choose.most // choose.points_per_unit)
    if kind == "percent_off":
        too_much = f"The most points would take {worth:f}% off; it can be {PERCENT_MAX}% at most."
        return {"most": too_much} if worth > PERCENT_MAX else {}
    problem = _amount(kind, worth, offered)
    return {"most": f"The most points would be worth {worth:f}. {problem}"} if problem else {}


def _conditions(wanted: Wanted, offered: Offered) -> dict[str, str]:
    """The conditions of its code, and how long it is there."""
    kind, details = wanted.kind, wanted.details
    found = {}
    if kind not in CODE_KINDS and (details.minimum or details.products or details.collections):
        found["minimum"] = "Store credit and gift cards pay for anything: they have no conditions."
    elif details.minimum and (problem := _amount("", _decimal(details.minimum), offered)):
        found["minimum"] = f"{problem[:-1]}, or nothing."
    return found | _goods(kind, details) | _combined(kind, details) | _times(kind, details)


def _goods(kind: str, details: Details) -> dict[str, str]:
    found = {}
    for name, what, ids in (
        ("products", "products", details.products),
        ("collections", "collections", details.collections),
        ("bought", "collections", details.bought),
    ):
        if len(ids) > IDS_MAX or any(not ID.fullmatch(one) for one in ids):
            found[name] = f"Please give numbers of {what}, at most {IDS_MAX} of them."
    if details.products and details.collections:
        found["collections"] = "Please choose either products or collections."
    if kind == "free_shipping" and (details.products or details.collections):
        found["products"] = "Free shipping is for the whole order, not for some products."
    if kind != "free_product" and details.bought:
        found["bought"] = "Only a free product can ask that something is bought with it."
    if kind == "free_product" and not details.products:
        found["products"] = "Please choose the products of which one is free."
    return found


def _combined(kind: str, details: Details) -> dict[str, str]:
    if not set(details.combines_with) <= set(DISCOUNTS):
        problem = "Please choose among order, product and shipping discounts."
    elif kind not in CODE_KINDS and details.combines_with:
        problem = "It pays like money, beside any discount: there is nothing to say."
    elif kind == "free_shipping" and "shipping" in details.combines_with:
        problem = "Shipping that is free cannot be made cheaper by another discount."
    else:
        return {}
    return {"combines_with": problem}


def _times(kind: str, details: Details) -> dict[str, str]:
    found = {}
    days = f"Please give whole days from 1 to {DAYS_MAX:,}"
    if details.code_days is not None and not 1 <= details.code_days <= DAYS_MAX:
        found["code_days"] = f"{days}, or leave it empty."
    elif kind == "store_credit" and details.code_days is None:
        found["code_days"] = f"{days}: store credit must end one day."
    if details.per_customer is not None and not 1 <= details.per_customer <= PER_CUSTOMER_MAX:
        found["per_customer"] = f"Please give a number from 1 to {PER_CUSTOMER_MAX:,}, or nothing."
    if details.starts_at and details.ends_at and details.ends_at <= details.starts_at:
        found["ends_at"] = "It would end before it starts. Please give a later day."
    if not 0 <= details.grace_days <= DAYS_MAX:
        found["grace_days"] = f"Please give whole days, at most {DAYS_MAX:,}, or leave it empty."
    if details.on_unused == "give_back":
        if details.code_days is None:
            found["on_unused"] = "Points can come back at a code's end; please say when it ends."
        elif kind == "store_credit":
            found["on_unused"] = "Nobody can tell which store credit was spent: it stays spent."
    return found


def _audience(details: Details, offered: Offered) -> dict[str, str]:
    found = {}
    for name, ids, there in (
        ("tiers", details.tiers, offered.tiers),
        ("segments", details.segments, offered.segments),
    ):
        if there is not None and any(one not in there for one in ids):
            found[name] = f"One of these {name} is not there any more. Please choose again."
        elif len(ids) > IDS_MAX:
            found[name] = f"Please choose at most {IDS_MAX} {name}."
    return found


def _looks(details: Details) -> dict[str, str]:
    found = {}
    if set(details.text) & set("<>"):
        found["text"] = PLAIN
    is_address = details.icon.startswith("https://") and len(details.icon) <= ICON_LENGTH_MAX
    if details.icon and not is_address and len(details.icon) > EMOJI_LENGTH_MAX:
        found["icon"] = "Please give an emoji, or the address of an image that begins https://."
    if re.search(r"[\s<>\"']", details.icon):
        found["icon"] = "An emoji, or the address of an image, has no spaces or quotes in it."
    if len(details.text) > TEXT_LENGTH_MAX:
        found["text"] = f"Please use at most {TEXT_LENGTH_MAX} characters."
    return found


def _decimal(typed: str) -> Decimal | None:
    return Decimal(typed) if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,2})?", typed) else None
