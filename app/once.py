"""A property that is found once for each object: `functools.cached_property` without its lock,
which costs more than most of what is remembered.
"""

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

Found = TypeVar("Found")


class once(Generic[Found]):  # noqa: N801 -- it is written like `property`
    """For classes whose objects have a `__dict__`, and never change what it is found from."""

    def __init__(self, find: Callable[[Any], Found]) -> None:
        self._find = find
        self._name = find.__name__

    @overload
    def __get__(self, one: None, kind: type) -> Self: ...

    @overload
    def __get__(self, one: object, kind: type) -> Found: ...

    def __get__(self, one: object | None, kind: type) -> Self | Found:
        if one is None:
            return self
        found = one.__dict__[self._name] = self._find(one)
        return found
