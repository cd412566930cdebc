"""The event bus as the road sees it: one interface, whatever is beneath."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Message(NamedTuple):
    """An event on its way to the bus; `timestamp` is when it was signed, in whole seconds since
    1970.
    """

    topic: str
    key: str  # what keeps its order: the shop
    event_id: str
    timestamp: int
    signature: str
    body: bytes


class Delivery(NamedTuple):
    """An event read from the bus; `position` names it within its topic, for `ack`."""

    topic: str
    position: str
    event_id: str
    timestamp: int
    signature: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Lag:
    """What a group has not acknowledged yet: how many at least, and how long the oldest has
    been waiting.
    """

    count: int
    age_seconds: float


class Bus(Protocol):
    """At least once, in order within a key; topics are event names, a group is a service."""

    async def publish(self, messages: Sequence[Message]) -> None:
        """All of them in this order, or none: a failure between two would let later ones
        overtake.
        """

    async def ensure(self, group: str, topics: Sequence[str]) -> None:
        """Let `group` read `topics`, a new group from the oldest event the bus still has."""

    async def read(
        self, group: str, consumer: str, topics: Sequence[str], count: int, block_milliseconds: int
    ) -> list[Delivery]:
        """Up to `count` new events a topic; waits up to `block_milliseconds` for the first (0:
        not at all).
        """

    async def unfinished(
        self, group: str, consumer: str, topics: Sequence[str], count: int
    ) -> list[Delivery]:
        """Events this very consumer was given before and has not acknowledged, the oldest first."""

    async def claim(
        self, group: str, consumer: str, topics: Sequence[str], idle_milliseconds: int, count: int
    ) -> list[Delivery]:
        """Take over what any consumer of the group was given and has not acknowledged for
        `idle_milliseconds`.
        """

    async def ack(self, group: str, deliveries: Sequence[Delivery]) -> None: ...

    async def lag(self, group: str, topics: Sequence[str]) -> Lag: ...

    async def topics(self) -> list[str]:
        """Every topic the bus holds events of."""

    async def trim(self, topics: Sequence[str], keep_seconds: int) -> None:
        """Forget events older than `keep_seconds`, whether anybody has read them or not."""
