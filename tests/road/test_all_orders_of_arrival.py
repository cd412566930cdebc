"""The inputs of the table in all orders in which their webhooks can arrive, or in many of them by
chance, each twice, and each missing where another one tells the same; a shop for every way.
"""

import asyncio
import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import asyncpg
import httpx
import pytest

from tests.road import ways
from tests.road.door import OPENINGS, Door, Way
from tests.road.inputs import INPUTS, Input
from tests.road.test_orders_through_the_door import come_true, is_said, opened
from tests.stack import Stack

pytestmark = pytest.mark.long

AT_ONCE = 12
SEED = int(os.environ.get("SEED") or time.time())


@dataclass
class Row:
    """What was tried of an input."""

    orders: int
    of_orders: int
    doubled: int
    missing: list[str]  # topics
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        of = "all" if self.orders == self.of_orders else f"{self.orders} of"
        once = ", ".join(f"`{one}`" for one in dict.fromkeys(self.missing)) or "-"
        return f"{of} {self.of_orders:,} | {self.doubled} | {len(self.missing)}: {once}"


class Trial:
    """Shops of the running stack, each of which sees one input arrive in one way."""

    def __init__(self, stack: Stack, http: httpx.AsyncClient, database: asyncpg.Pool) -> None:
        self.stack, self.http, self.database = stack, http, database
        self.seats, self.openings = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(OPENINGS)
        self.shops = 0

    async def once(self, one: Input, kind: str, way: Way = list) -> tuple[Door, str]:
        """Raises AssertionError for another balance, a letter, or a ledger without the order."""
        async with self.seats:
            self.shops += 1
            shop = f"row-{one.name}-{kind}-{self.shops}.myshopify.com"
            door = Door(self.stack, self.http, self.database, self.openings, shop, way)
            customer = await come_true(door, one)
            if kind == "told":
                await is_said(door, one, customer)
            said = " ".join(await door.ledger(customer))
            assert "order #10" in said.lower(), (shop, said)
            if kind == "doubled":  # and once more, when all is over
                await door.send([*reversed(range(len(door.told)))])
                await door.handled()
                await door.has(customer, available=one.points, pending=one.pending, held=0)
        return door, customer

    async def all_ways(self, one: Input, chance: random.Random) -> Row:
        told, _ = await self.once(one, "told")
        numbers = [
            number
            for number, sent in enumerate(told.told)
            if sent["topic"] not in (*one.needs, *one.never)
        ]
        tried = [("order", way) for way in ways.orders(told.spans, chance)]
        row = Row(len(tried), ways.count(told.spans), 0, [told.told[n]["topic"] for n in numbers])
        twice = [("doubled", way) for way in ways.doubled(told.spans, chance)]
        row.doubled = len(twice)
        tried += twice
        tried += [(f"without-{number}", ways.without(number)) for number in numbers]
        done = await asyncio.gather(
            *(self.once(one, kind, way) for kind, way in tried), return_exceptions=True
        )
        for (kind, way), error in zip(tried, done, strict=True):
            if isinstance(error, BaseException):
                row.wrong.append(f"{kind} {_topics(told, way)}: {error!r}")
        return row


def _topics(told: Door, way: Way) -> Sequence[str]:
    return [told.told[number]["topic"] for span in told.spans for number in way(span)]


def test_each_input_is_right_in_whatever_way_it_arrives(holding: Stack) -> None:
    print(f"\nSEED={SEED}")

    async def all_of_them() -> list[Row | BaseException]:
        async with opened(holding) as (http, database):
            trial = Trial(holding, http, database)
            each = (trial.all_ways(one, random.Random(f"{SEED} {one.name}")) for one in INPUTS)
            return await asyncio.gather(*each, return_exceptions=True)

    found = asyncio.run(all_of_them())
    wrong = []
    for one, row in zip(INPUTS, found, strict=True):
        print(f"| {one.name} | {one.what} | {row} | {one.points or one.pending} |")
        wrong += [f"{one.name}: {error}" for error in getattr(row, "wrong", [repr(row)])]
    print(holding.verify())
    assert wrong == [], "\n".join(wrong)
