"""Asks Shopify what changed in a shop and what it has become, as bodies of its webhooks."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from app.core.reconciliation import rules
from app.errors import BadInputError, UnavailableError
from app.shopify.retold import orders, parts, people, refunds
from app.shopify.retold.parts import Json

LINES_MAX = 1_000
REFUNDS_MAX = 49  # as many as one answer can name, and tell that there are no more
READS_MAX = 3  # of an order that changes while it is read
DAY, DAY_LENGTH = timedelta(days=1), len("2026-11-27")

Ask = Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]]


class TooLargeError(BadInputError):
    """An order with more lines or refunds than are read (permanent)."""

    code = "too_large"


class Changed(NamedTuple):
    """An order, and when it last changed."""

    gid: str
    number: int
    at: datetime


class Page(NamedTuple):
    """Part of what a search finds; without a cursor it was the last one."""

    found: list[Json]
    cursor: str | None


async def changed(
    ask: Ask, since: datetime, until: datetime, cursor: str | None
) -> tuple[list[Changed], str | None]:
    """A page of the orders that changed in that time, the earliest first, and the next cursor."""
    query = (
        f"updated_at:>='{rules.stamp(since)}' updated_at:<='{rules.stamp(until)}'"  # both included
    )
    page = _page((await ask("orders_changed", {"query": query, "after": cursor}))["orders"])
    found = [
        Changed(one["id"], parts.number(one["id"]), rules.moment(one["updatedAt"]))
        for one in page.found
    ]
    return found, page.cursor


async def order(ask: Ask, gid: str) -> Json | None:
    """The body of an order as it is now; None when it is gone.

    Raises TooLargeError, UnavailableError while it changes with each page that is read.
    """
    for _ in range(READS_MAX):
        told: Json | None = (await ask("order_told", {"id": gid, "after": None}))["order"]
        if told is None:
            return None
        lines = await _lines(ask, gid, told)
        if lines is not None:
            if len(told["refunds"]) > REFUNDS_MAX:
                raise TooLargeError(f"The order has more than {REFUNDS_MAX} refunds.")
            back = [await _refund(ask, one["id"], told) for one in told["refunds"]]
            return orders.order(told, lines, [one for one in back if one])
    raise UnavailableError("The order changes while it is read.")


async def customers(ask: Ask, since: datetime, cursor: str | None) -> tuple[list[Json], str | None]:
    """A page of customers that changed since that moment, the latest first, and the next cursor."""
    # such a search knows days alone, perhaps those of the shop
    query = f"updated_at:>={rules.stamp(since - DAY)[:DAY_LENGTH]}"
    page = _page((await ask("customers_changed", {"query": query, "after": cursor}))["customers"])
    found = [one for one in page.found if rules.moment(one["updatedAt"]) >= since]
    return found, page.cursor if len(found) == len(page.found) else None


async def shop(ask: Ask) -> Json:
    """The body of the shop as it is now."""
    return people.shop((await ask("shop_told", {}))["shop"])


async def _lines(ask: Ask, gid: str, told: Json) -> list[Json] | None:
    """All lines; None when the order changed meanwhile."""
    page = _page(told["lineItems"])
    lines = page.found
    while page.cursor:
        if len(lines) >= LINES_MAX:
            raise TooLargeError(f"The order has more than {LINES_MAX:,} lines.")
        more = (await ask("order_told", {"id": gid, "after": page.cursor}))["order"]
        if more is None or more["updatedAt"] != told["updatedAt"]:
            return None
        page = _page(more["lineItems"])
        lines += page.found
    return lines


async def _refund(ask: Ask, gid: str, of: Json) -> Json | None:
    told: Json | None = (await ask("refund_told", {"id": gid, "after": None}))["refund"]
    if told is None:
        return None
    page = _page(told["refundLineItems"])
    lines = page.found
    while page.cursor and len(lines) < LINES_MAX:
        more = (await ask("refund_told", {"id": gid, "after": page.cursor}))["refund"]
        page = _page(more["refundLineItems"])
        lines += page.found
    return refunds.refund(told, lines, of)


def _page(connection: Json) -> Page:
    info = connection["pageInfo"]
    found = [one for one in connection["nodes"] if one]
    return Page(found, info["endCursor"] if info["hasNextPage"] else None)
