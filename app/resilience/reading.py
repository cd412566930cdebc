"""A Reading: a value for showing, with the moment it was true and where it came from."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, Literal, TypeVar

T = TypeVar("T")
U = TypeVar("U")
Source = Literal["live", "cached", "unavailable"]


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """What a guarded read came back with; every surface shows the three kinds the same way.

    `live`: true within the last 30 s; `cached`: was true at `as_of`, for showing only, never to
    spend from; `unavailable`: value and as_of are None. `as_of` is an aware UTC datetime.
    """

    value: T | None
    as_of: datetime | None
    source: Source

    @property
    def is_live(self) -> bool:
        return self.source == "live"

    def map(self, change: Callable[[T], U]) -> "Reading[U]":
        """The same reading of something made from the value; an unavailable one stays so."""
        return Reading(None if self.value is None else change(self.value), self.as_of, self.source)

    def older(self) -> "Reading[T]":
        """The same value marked as no longer live: for a reader who knows that updates are late."""
        return Reading(self.value, self.as_of, "cached" if self.is_live else self.source)


def live(value: T, as_of: datetime | None = None) -> Reading[T]:
    return Reading(value, as_of or datetime.now(UTC), "live")


def cached(value: T, as_of: datetime) -> Reading[T]:
    return Reading(value, as_of, "cached")


def unavailable() -> Reading[T]:
    return Reading(None, None, "unavailable")
