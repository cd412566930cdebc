"""The event bus as services see it: entries of facts in partitions, read by place."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple, Protocol

import redis.asyncio as aioredis

from app.db import Connection
from app.flow.bus.wakes import Wakes
from app.flow.event import Event

PARTS = 16  # by the shop; fixed for good, since places are kept by them


class Place(NamedTuple):
    """How far a service has read one partition: the last entry it is done with."""

    part: int
    tx: int
    id: int
    day: date


class Head(NamedTuple):
    """An entry that comes next in its partition; `wanted`: it has facts of the asked topics."""

    place: Place
    facts: int
    size: int
    wanted: bool


class Entry(NamedTuple):
    """Facts of one partition as they were written and signed together.

    `body` is empty where nothing in it was asked for; `signed_at` in whole seconds since 1970.
    """

    place: Place
    name: str
    signed_at: int
    signature: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Lag:
    """What a service has not read: how many facts at least, and how old the first of them is."""

    count: int
    age_seconds: float


class Bus(Protocol):
    """In order within a partition, and so within a shop; a group of readers is a service.

    Places are kept in Postgres whatever the bus is, and move in the transaction of the effect: an
    entry that comes twice is one that its place has passed.
    """

    async def append(self, connection: Connection, events: Sequence[Event]) -> None:
        """Write facts in the transaction that makes them true."""

    async def heads(self, service: str, topics: Sequence[str], each: int) -> list[Head]:
        """What comes next, at most `each` entries a partition; locks nothing."""

    async def read(
        self,
        connection: Connection,
        service: str,
        topics: Sequence[str],
        until: Sequence[Place],
    ) -> list[Entry]:
        """Lock the places of `service` in the partitions of `until` and read on up to there.

        Partitions that another reader holds are left out.
        """

    async def lag(self, service: str, topics: Sequence[str]) -> Lag: ...

    def waker(self, service: str, queue: aioredis.Redis) -> Wakes:
        """What wakes `service` when there is something to read."""
