"""Long lists by keyset: a page goes on after, or before, a row that its address names."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeVar

T = TypeVar("T")
NEVER = datetime(9999, 1, 1, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LAST = (NEVER - _EPOCH) // _MICROSECOND
_KEYS = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18}){0,2}")  # of 18 digits each, so that bigint holds it


class Cursor(NamedTuple):
    """The row a page starts at, by the figures the list is ordered by; the row itself is not on
    it.
    """

    keys: tuple[int, ...]
    is_backwards: bool = False


@dataclass(frozen=True, slots=True)
class Links:
    """The keys of the pages beside this one, as the address has them; empty where there is
    none.
    """

    previous: str = ""
    next: str = ""


def cursor(query: Mapping[str, str], keys: int, prefix: str = "") -> Cursor | None:
    """What `after=` or `before=` of an address says; None, the first page, for anything else."""
    for name in ("before", "after"):
        typed = query.get(prefix + name, "")
        if _KEYS.fullmatch(typed) and typed.count(".") == keys - 1:
            return Cursor(tuple(int(part) for part in typed.split(".")), name == "before")
    return None


def key(moment: datetime) -> int:
    """A moment as a figure of a cursor: whole microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(key: int) -> datetime:
    """The moment of a figure of a cursor; a later one than there is becomes NEVER."""
    return _EPOCH + timedelta(microseconds=min(key, _LAST))


def cut(found: Sequence[T], at: Cursor | None, size: int) -> tuple[list[T], bool, bool]:
    """The rows of a page in the list's order, and whether there are some before and after it.

    `found` is up to size + 1 rows in the direction of the cursor: one too many says that it goes
    on.
    """
    rows, goes_on = list(found[:size]), len(found) > size
    if at is None:
        return rows, False, goes_on
    return (rows[::-1], goes_on, True) if at.is_backwards else (rows, True, goes_on)


def links(first: str, last: str, has_previous: bool, has_next: bool) -> Links:
    """The links of a page whose first and last rows have these keys."""
    return Links(first if has_previous else "", last if has_next else "")
