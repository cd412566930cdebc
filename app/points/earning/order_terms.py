"""What of orders earns by a merchant's choice: judged when the rule of an order is frozen, and for
lines that are added later.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgspec
from msgspec.structs import replace

from app.errors import BadInputError
from app.facts import OrderTold
from app.points.earning import rules
from app.points.earning.rules import Frozen, Line

IDS_MAX, TAGS_MAX = 100, 50
TAG_LENGTH_MAX = 255
ID_LENGTH_MAX = 20
RATE_MAX = 10_000
CHANNELS = {"online": "Online store", "pos": "Point of sale", "draft": "Draft orders"}
# by Shopify's names; whatever else an order comes from is a shop on the web
_SOURCES = {"pos": "pos", "shopify_draft_order": "draft", "draft_order": "draft"}
SUBSCRIBED = "subscription_contract"  # how the sources of orders that renew one begin


class OrderTerms(msgspec.Struct, frozen=True, omit_defaults=True):
    """What of orders earns, as a merchant sets it: what is named earns nothing."""

    products: list[str] = []  # ids, as those of collections
    collections: list[str] = []
    tags: list[str] = []  # of orders
    channels: list[str] = []  # online | pos | draft
    is_b2b_out: bool = False
    subscription_rate: str = ""  # of subscription lines; empty: as others
    with_shipping: bool = False
    with_taxes: bool = False


PLAIN = OrderTerms()


@lru_cache(maxsize=1024)
def read(told: str) -> OrderTerms:
    """From the column of a programme version."""
    return msgspec.json.decode(told, type=OrderTerms) if told else PLAIN


def written(terms: OrderTerms) -> str:
    return "" if terms == PLAIN else msgspec.json.encode(terms, order="deterministic").decode()


def channel(source: str) -> str:
    """online, pos or draft."""
    return _SOURCES.get(source.casefold(), "online")


def frozen(
    before: Frozen,
    terms: OrderTerms,
    order: OrderTold,
    lines: Iterable[Line],
    where: Mapping[str, frozenset[str]],
) -> Frozen:
    """`before` with what the terms say of an order as it was first told; `where` has the
    collections of products, as far as the terms name them.
    """
    if terms == PLAIN:
        return before
    return replace(
        before,
        outside=_outside(terms, order),
        out=tuple(line.line_id for line in lines if _is_out(terms, line, where)),
        subscription_rate=terms.subscription_rate,
        with_shipping=terms.with_shipping,
        with_taxes=terms.with_taxes,
    )


def extended(
    before: Frozen, terms: OrderTerms, added: Iterable[Line], where: Mapping[str, frozenset[str]]
) -> Frozen:
    """`before` with what they say of lines that came later."""
    out = tuple(line.line_id for line in added if _is_out(terms, line, where))
    return replace(before, out=(*before.out, *out)) if out else before


def _outside(terms: OrderTerms, order: OrderTold) -> str:
    if channel(order.source) in terms.channels:
        return "channel"
    if order.is_b2b and terms.is_b2b_out:
        return "b2b"
    tags = {tag.casefold() for tag in terms.tags}
    return "tag" if any(tag.casefold() in tags for tag in order.tags) else ""


def _is_out(terms: OrderTerms, line: Line, where: Mapping[str, frozenset[str]]) -> bool:
    if line.product_id in terms.products:
        return bool(line.product_id)
    return not where.get(line.product_id, frozenset()).isdisjoint(terms.collections)


def checked(fields: Mapping[str, Any]) -> OrderTerms:
    """Terms from what a form or a program gives, by the names of OrderTerms: lists, and texts with
    commas. Raises BadInputError with the sentence for the first problem.
    """
    if found := problems(fields):
        raise BadInputError(next(iter(found.values())))
    channels = [name for name in CHANNELS if name in fields.get("channels", ())]
    rate = str(fields.get("subscription_rate", "")).strip()
    return OrderTerms(
        ids(fields.get("products", ())),
        ids(fields.get("collections", ())),
        names(fields.get("tags", ())),
        channels,
        bool(fields.get("is_b2b_out")),
        rate and rules.rate_text(rules.rate_units(_rate(rate))),
        bool(fields.get("with_shipping")),
        bool(fields.get("with_taxes")),
    )


def problems(fields: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong, by the field's name, as sentences."""
    found = {}
    for name, what in (("products", "products"), ("collections", "collections")):
        given = ids(fields.get(name, ()))
        if len(given) > IDS_MAX:
            found[name] = f"Please name at most {IDS_MAX} {what}."
        elif any(not (one.isascii() and one.isdigit()) for one in given):
            found[name] = (
                f"Please give the numbers of {what}: the digits at the end of their address in "
                "Shopify admin."
            )
        elif any(len(one) > ID_LENGTH_MAX for one in given):
            found[name] = f"No number of {what} has more than {ID_LENGTH_MAX} digits."
    tags = names(fields.get("tags", ()))
    if len(tags) > TAGS_MAX or any(len(tag) > TAG_LENGTH_MAX for tag in tags):
        found["tags"] = (
            f"Please give at most {TAGS_MAX} tags of at most {TAG_LENGTH_MAX} characters."
        )
    if len({*fields.get("channels", ())} & {*CHANNELS}) == len(CHANNELS):
        found["channels"] = "No order would earn anything. To stop that, pause the program."
    rate = str(fields.get("subscription_rate", "")).strip()
    try:
        is_bad = bool(rate) and not 0 <= _rate(rate) <= RATE_MAX
    except BadInputError:
        is_bad = True
    if is_bad:
        found["subscription_rate"] = (
            f"Please give a rate from 0 to {RATE_MAX:,} with at most four decimals, or leave it "
            "empty."
        )
    return found


def _rate(typed: str) -> Any:
    return rules.parse_decimal(typed, 4, "Please give a rate with at most four decimals.")


def ids(given: str | Iterable[str]) -> list[str]:
    """Numbers as typed, by commas or lines, also as whole addresses or ids of Shopify."""
    return list(dict.fromkeys(one.rstrip("/").rpartition("/")[2] for one in names(given)))


def names(given: str | Iterable[str]) -> list[str]:
    parts = given.replace("\n", ",").split(",") if isinstance(given, str) else given
    return list(dict.fromkeys(name for part in parts if (name := str(part).strip())))
