"""The form of a reward: its words, what it shows of a reward, and the reward that was typed."""

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from app import calendar, text
from app.points.rewards.problems import COST_MAX, DAYS_MAX, PER_CUSTOMER_MAX
from app.points.rewards.rules import CHOSEN_KINDS, CODE_KINDS, MONEY_KINDS, Choose, Details, Wanted
from app.points.views import RewardView
from app.web import forms

NUMBERS = ("amount_off", "percent", "unit", "minimum")  # with decimals
KINDS = {
    "amount_off": ("Amount off", "So much off the order, or off some products."),
    "percent_off": ("Percentage off", "A share off the order, or off some products."),
    "free_shipping": ("Free shipping", "Shipping costs nothing, wherever it goes."),
    "free_product": ("Free product", "One product of a list you choose costs nothing."),
    "store_credit": ("Store credit", "Money in the customer's account with your store."),
    "gift_card": ("Gift card", "A card of that amount, for the customer or a friend."),
}
COMBINES = {
    "": "No other discount",
    "shipping": "Shipping discounts",
    "product": "Product discounts",
    "order": "Order discounts",
    "product,shipping": "Product and shipping discounts",
    "order,shipping": "Order and shipping discounts",
    "order,product": "Order and product discounts",
    "order,product,shipping": "All other discounts",
}
RETURNS = {
    "whole": (
        "All of them, when the order is cancelled or wholly refunded",
        (
            "Example: a code for 100 points was used, and half of the order came back: none of "
            "them. Then the other half: all 100."
        ),
    ),
    "share": (
        "As much as came back",
        "Example: half of the order came back: 50 of the 100 points.",
    ),
    "never": ("None", "A code that was used stays spent."),
}
UNUSED = {"keep": "The points stay spent", "give_back": "The points come back"}
LABELS = {
    "title": "Name",
    "cost": "Costs",
    "points_per_unit": "So many points",
    "unit": "Give",
    "least": "At least",
    "most": "At most",
    "step": "In steps of",
    "amount_off": "Worth",
    "percent": "Takes off",
    "minimum": "Smallest order",
    "products": "Products",
    "collections": "Collections",
    "bought": "Bought with it",
    "code_days": "Can be used for",
    "per_customer": "How often a customer can have it",
    "combines_with": "Together with",
    "tier": "Tier",
    "segment": "Segment",
    "starts_on": "From",
    "ends_on": "Last day",
    "icon": "Emoji or image",
    "text": "Description",
    "on_return": "When its order comes back",
    "on_unused": "When it was not used",
    "grace_days": "Can be spent for",
}
# where the rules call it otherwise than the form
FIELDS = {"tiers": "tier", "segments": "segment", "starts_at": "starts_on", "ends_at": "ends_on"}
A_NUMBER = "Please give a number, with at most two decimals."
A_WHOLE = "Please give a whole number, or leave it empty."
A_DAY = "Please give a day, such as 2026-05-03."


def shown(reward: RewardView, timezone: str, tiers: Mapping[str, str]) -> dict[str, str]:
    """A reward as the form shows it; `tiers` are those of the shop, the lowest first."""
    details, choose = reward.details, reward.details.choose
    last = details.ends_at - timedelta.resolution if details.ends_at else None
    return {
        "kind": reward.kind,
        "costing": "choose" if choose else "fixed",
        "version": str(reward.version),
        "title": reward.title,
        "cost": str(reward.cost),
        "points_per_unit": str(choose.points_per_unit) if choose else "",
        "unit": choose.unit if choose else "",
        "least": str(choose.least) if choose else "",
        "most": str(choose.most) if choose else "",
        "step": str(choose.step) if choose else "",
        "amount_off": f"{reward.amount_off:.2f}" if reward.amount_off else "",
        "percent": details.percent,
        "minimum": details.minimum,
        "products": ", ".join(details.products),
        "collections": ", ".join(details.collections),
        "bought": ", ".join(details.bought),
        "code_days": _whole(details.code_days),
        "per_customer": _whole(details.per_customer),
        "combines_with": ",".join(sorted(details.combines_with)),
        "tier": next((one for one in tiers if one in details.tiers), *details.tiers[:1] or ("",)),
        "segment": next(iter(details.segments), ""),
        "starts_on": _day(details.starts_at, timezone),
        "ends_on": _day(last, timezone),
        "icon": details.icon,
        "text": details.text,
        "on_return": details.on_return,
        "on_unused": details.on_unused,
        "grace_days": _whole(details.grace_days or None),
    }


def _whole(number: int | None) -> str:
    return "" if number is None else str(number)


def _day(moment: datetime | None, timezone: str) -> str:
    return moment.astimezone(calendar.zone(timezone)).date().isoformat() if moment else ""


def read(
    values: Mapping[str, str], locale: str, timezone: str, tiers: Mapping[str, str]
) -> tuple[Wanted, dict[str, str]]:
    """The reward that was typed, and what could not be read, by field. What a kind does not have is
    left out, whatever was sent.
    """
    reading = _Reading(values, locale, timezone)
    kind = values.get("kind", "")
    is_code = kind in CODE_KINDS
    is_chosen = values.get("costing") == "choose" and kind in CHOSEN_KINDS
    choose = None
    if is_chosen:
        points = {
            name: reading.whole(name, COST_MAX) or 0
            for name in ("points_per_unit", "least", "most", "step")
        }
        choose = Choose(unit=reading.decimal("unit"), **points)
    has_amount = kind in MONEY_KINDS and not is_chosen
    amount = forms.decimal(values.get("amount_off", ""), places_max=2, locale=locale)
    names, chosen_tier = list(tiers), values.get("tier", "")
    above = names[names.index(chosen_tier) :] if chosen_tier in names else [chosen_tier]
    details = Details(
        percent=reading.decimal("percent") if kind == "percent_off" and not is_chosen else "",
        choose=choose,
        minimum=reading.decimal("minimum") if is_code else "",
        products=reading.ids("products") if is_code else [],
        collections=reading.ids("collections") if is_code else [],
        bought=reading.ids("bought") if kind == "free_product" else [],
        code_days=reading.whole("code_days", DAYS_MAX),
        per_customer=reading.whole("per_customer", PER_CUSTOMER_MAX),
        tiers=above if chosen_tier else [],
        segments=[values["segment"]] if values.get("segment") else [],
        combines_with=[one for one in values.get("combines_with", "").split(",") if one]
        if is_code
        else [],
        starts_at=reading.day("starts_on"),
        ends_at=reading.day("ends_on", is_last=True),
        icon=values.get("icon", ""),
        text=text.clean(values.get("text", ""), 2_000),
        on_return=_choice(values, "on_return", RETURNS, "whole"),
        on_unused=_choice(values, "on_unused", UNUSED, "keep"),
        grace_days=reading.whole("grace_days", DAYS_MAX) or 0,
    )
    cost = forms.whole(values.get("cost", ""), COST_MAX)
    worth = amount if has_amount and not details.bought else Decimal(0)
    return Wanted(values.get("title", ""), kind, cost, worth, details), reading.problems


def _choice(values: Mapping[str, str], name: str, there: Mapping[str, object], other: str) -> Any:
    return values[name] if values.get(name) in there else other


def named(problems: Mapping[str, str]) -> dict[str, str]:
    """The problems of a reward by the names of this form's fields."""
    return {FIELDS.get(name, name): problem for name, problem in problems.items()}


class _Reading:
    """What was typed, field by field; what cannot be read is noted."""

    def __init__(self, values: Mapping[str, str], locale: str, timezone: str) -> None:
        self.values, self.locale, self.timezone = values, locale, timezone
        self.problems: dict[str, str] = {}

    def decimal(self, name: str) -> str:
        typed = self.values.get(name, "")
        if not typed:
            return ""
        found = forms.decimal(typed, places_max=2, locale=self.locale)
        if found is None:
            self.problems[name] = A_NUMBER
            return ""
        return f"{found:f}"

    def whole(self, name: str, most: int) -> int | None:
        typed = self.values.get(name, "")
        if not typed:
            return None
        found = forms.whole(typed, most)
        if found is None:
            self.problems[name] = f"{A_WHOLE[:-1]}; it can be {most:,} at most."
        return found

    def ids(self, name: str) -> list[str]:
        """Numbers, or Shopify's own ids, between commas or spaces."""
        typed = re.split(r"[\s,;]+", self.values.get(name, ""))
        plain = [re.sub(r"^gid://shopify/(Product|Collection)/", "", one) for one in typed if one]
        return list(dict.fromkeys(plain))

    def day(self, name: str, *, is_last: bool = False) -> datetime | None:
        typed = self.values.get(name, "")
        if not typed:
            return None
        try:
            found = date.fromisoformat(typed)
        except ValueError:
            self.problems[name] = A_DAY
            return None
        if not 2000 <= found.year < 2200:  # noqa: PLR2004 - of people who are alive
            self.problems[name] = A_DAY
            return None
        return calendar.start_of_day(found + timedelta(days=is_last), self.timezone)
