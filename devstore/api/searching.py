"""Searches by time as the Admin API has them: sorted, paged by cursors, and behind by the lag of
their index.
"""

import base64
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from graphql import GraphQLError

from devstore.api.nodes import Node, connection

PAGE_LIMIT = 250
TERM = re.compile(r"""(\w+):(>=|<=|>|<)?(?:'([^']*)'|"([^"]*)"|(\S+))""")
# what a search knows of each, and by how many characters of its time: customers by the day alone
ORDERS = dict.fromkeys(("updated_at", "created_at", "processed_at"), 19)
CUSTOMERS = {"updated_at": 10, "created_at": 10}


def found(
    things: Sequence[Any], arguments: dict[str, Any], times: dict[str, int], lag_seconds: float
) -> list[Any]:
    """Those a search finds, in the order asked for; any other search term is refused, not ignored.

    What changed within the lag is not found: the index does not know it yet.
    """
    first = int(arguments.get("first") or 0)
    if not 1 <= first <= PAGE_LIMIT:
        raise GraphQLError(f"`first` is between 1 and {PAGE_LIMIT}.")
    known_before = datetime.now(UTC) - timedelta(seconds=lag_seconds)
    query = str(arguments.get("query") or "")
    chosen = [
        one
        for one in things
        if (not lag_seconds or _moment(one.updated_at) <= known_before)
        and _matches(one, query, times)
    ]
    sort_key = str(arguments.get("sortKey") or "PROCESSED_AT").lower()
    by = sort_key if sort_key in times else "id"
    return sorted(
        chosen, key=lambda one: (getattr(one, by), one.id), reverse=bool(arguments.get("reverse"))
    )


def page(
    kind: str, things: Sequence[Any], arguments: dict[str, Any], node: Callable[[Any], Node]
) -> Node:
    """The page behind the cursor that was asked for; raises GraphQLError for one of no page."""
    keys = [base64.b64encode(str(one.id).encode()).decode() for one in things]
    after, start = arguments.get("after"), 0
    if after:
        if after not in keys:
            raise GraphQLError("Invalid cursor for current pagination sort.")
        start = keys.index(after) + 1
    end = start + int(arguments["first"])
    shown = [(key, node(one)) for key, one in zip(keys[start:end], things[start:end], strict=True)]
    return connection(kind, shown, has_previous=start > 0, has_next=end < len(things))


def _matches(thing: Any, query: str, times: dict[str, int]) -> bool:
    for name, operator, *values in TERM.findall(query):
        if name not in times:
            raise GraphQLError(f"The stand-in store cannot search by {name}.")
        try:
            wanted = _moment("".join(values)).isoformat()[: times[name]]
            actual = _moment(getattr(thing, name)).isoformat()[: times[name]]
        except (ValueError, TypeError):
            raise GraphQLError(f"{name} is compared with an ISO time with its offset.") from None
        outcomes = {
            ">=": actual >= wanted,
            "<=": actual <= wanted,
            ">": actual > wanted,
            "<": actual < wanted,
        }
        if not outcomes.get(operator, actual == wanted):
            return False
    return True


def _moment(text: str) -> datetime:
    """A day alone is its beginning; a time without its offset is refused."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        if len(text) > len("2026-11-27"):
            raise ValueError(text)
        return moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC)
