"""What a reward's form comes to in plain sentences: what it gives, for whom, and when its points
come back.
"""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.points.pages import reward_form
from app.points.rewards import reads
from app.points.rewards.problems import problems
from app.points.rewards.rules import CODE_KINDS, Chosen, Details, Offered, Wanted, chosen
from app.web import examples, pages, wording
from app.web.examples import counted
from app.web.pages import Visit, admin_page

UNSAID = frozenset({"title", "icon", "text"})  # what the sentences do without
LISTED_MAX = 2


@admin_page
async def sentence(visit: Visit) -> Response:
    """What the form so far comes to."""
    offered = await pages.attempt(lambda: reads.offered(visit.shop)) or Offered()
    return examples.said(said(visit, visit.request.query_params, offered))


def said(visit: Visit, values: Mapping[str, str], offered: Offered) -> list[str]:
    """The sentences of a form as it is filled in, or what is missing for them."""
    tiers = offered.tiers or {}
    wanted, unreadable = reward_form.read(values, visit.locale, visit.timezone, tiers)
    found = unreadable | problems(wanted, offered)
    missing = examples.missing(text for name, text in found.items() if name not in UNSAID)
    return missing or sentences(wanted, tiers, currency=visit.currency, timezone=visit.timezone)


def sentences(
    wanted: Wanted, tiers: Mapping[str, str], *, currency: str, timezone: str
) -> list[str]:
    """What a reward without problems does; `tiers` are the titles of the shop's by id, the lowest
    first.
    """
    return [
        _gives(wanted, currency),
        _conditions(wanted.details, tiers, currency, timezone),
        _ends(wanted),
        *([_returns(wanted.details)] if wanted.kind in CODE_KINDS else []),
    ]


def _gives(wanted: Wanted, currency: str) -> str:
    choose, percent = wanted.details.choose, wanted.details.percent
    if choose is None:
        one = Chosen(wanted.cost or 0, wanted.amount_off or Decimal(0), percent)
        gives = "gives" if one.points == 1 else "give"
        return f"{counted(one.points, 'point')} {gives} {_worth(wanted, one, currency)}."
    least, most = (
        _worth(wanted, chosen(wanted.kind, 0, Decimal(0), wanted.details, points), currency)
        for points in (choose.least, choose.most)
    )
    step = f"in steps of {choose.step:,}"
    return f"{choose.least:,} points give {least}, up to {choose.most:,} for {most}, {step}."


def _worth(wanted: Wanted, one: Chosen, currency: str) -> str:
    details, amount = wanted.details, wording.money(one.amount_off, currency)
    some = "certain products" if details.products or details.collections else "the order"
    piece = "the product" if len(details.products) == 1 else "one of the products"
    bought = "free when something of the named collections is bought with it"
    return {
        "amount_off": f"{amount} off {some}",
        "percent_off": f"{one.percent}% off {some}",
        "free_shipping": "free shipping",
        "free_product": f"{piece} {bought if details.bought else f'free, up to {amount}'}",
        "store_credit": f"{amount} of store credit",
        "gift_card": f"a gift card of {amount}",
    }[wanted.kind]


def _conditions(details: Details, tiers: Mapping[str, str], currency: str, timezone: str) -> str:
    """For whom it is, how often, for which orders, and when."""
    lowest = next((tiers[one] for one in tiers if one in details.tiers), "")
    who = f"members in {lowest} or above" if lowest else "every member"
    who += f" in segment {details.segments[0]}" if details.segments else ""
    often = "as often as points last"
    if details.per_customer:
        often = f"at most {counted(details.per_customer, 'time')}"
    parts = [
        f"For {who}, {often}",
        f"for orders of {wording.money(Decimal(details.minimum), currency)} or more"
        if details.minimum
        else "",
        f"together with {_listed(details.combines_with)} discounts"
        if details.combines_with
        else "",
        f"from {wording.local(details.starts_at, timezone, 'day')} on" if details.starts_at else "",
        f"until {wording.local(details.ends_at - timedelta.resolution, timezone, 'day')}"
        if details.ends_at
        else "",
    ]
    return ", ".join(part for part in parts if part) + "."


def _listed(names: list[str]) -> str:
    return " and ".join(sorted(names)) if len(names) <= LISTED_MAX else "all other"


def _ends(wanted: Wanted) -> str:
    """What becomes of what nobody uses."""
    details = wanted.details
    what = "The code" if wanted.kind in CODE_KINDS else "It"
    if details.code_days is None:
        return f"{what} can be used for ever."
    can = f"{what} can be used for {counted(details.code_days, 'day')}"
    if details.on_unused == "give_back":
        return f"{can}; if it is not, the points come back, {_grace(details)}."
    return f"{can}; if it is not, the points stay spent."


def _returns(details: Details) -> str:
    """What becomes of the points when the order comes back."""
    return {
        "whole": "The points come back when the order is cancelled or wholly refunded, "
        f"{_grace(details)}.",
        "share": "When some of the order comes back, so does that share of the points, "
        f"{_grace(details)}.",
        "never": "Points of a code that was used stay spent, also when the order comes back.",
    }[details.on_return]


def _grace(details: Details) -> str:
    if not details.grace_days:
        return "to expire when they would have"
    return f"and can be spent for {counted(details.grace_days, 'day')} at least"


routes: list[BaseRoute] = [Route("/rewards/sentence", sentence)]
