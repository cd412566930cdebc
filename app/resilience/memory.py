"""What a process remembers for a while without growing: the newest entries, and no more of them
than was said.
"""

from collections import OrderedDict
from typing import Any, Generic, TypeVar
from weakref import WeakSet

K = TypeVar("K")
V = TypeVar("V")


class Memory(Generic[K, V]):
    """A dictionary of at most `entries_max` entries; the one put longest ago makes room for a new
    one.
    """

    def __init__(self, entries_max: int) -> None:
        self.entries_max = entries_max
        self._entries: OrderedDict[K, V] = OrderedDict()
        _all.add(self)

    def get(self, key: K) -> V | None:
        return self._entries.get(key)

    def put(self, key: K, value: V) -> None:
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self.entries_max:
            self._entries.popitem(last=False)

    def drop(self, key: K) -> None:
        """Forget `key`, whether it is there or not."""
        self._entries.pop(key, None)

    def clear(self) -> None:
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)


def forget_all() -> None:
    """Clear every memory of this process: the database was put back to an earlier moment, and what
    it gives numbers to from then on has those of what is gone.
    """
    for one in list(_all):
        one.clear()


_all: WeakSet[Memory[Any, Any]] = WeakSet()
