"""Every input of the table, the whole way: the stand-in store does it and sends its webhooks, real
processes handle them, the shopper reads the balance and the merchant why.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import httpx
import pytest

from tests.road.door import OPENINGS, Door
from tests.road.inputs import INPUTS, Input
from tests.stack import Stack

pytestmark = pytest.mark.long  # a whole stack, and every input there is

CONNECTIONS = 20


@asynccontextmanager
async def opened(stack: Stack) -> AsyncIterator[tuple[httpx.AsyncClient, asyncpg.Pool]]:
    limits = httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=1)
    async with (
        httpx.AsyncClient(timeout=60, limits=limits) as http,
        asyncpg.create_pool(stack.environment["DATABASE_URL"], min_size=1, max_size=2) as database,
    ):
        yield http, database


async def come_true(door: Door, one: Input) -> str:
    """Do it, and look at the balance; whose it is."""
    door.never = frozenset(one.never)
    if one.is_opened:
        await door.open()
    if one.rules:
        await door.rules_of_long_ago(**one.rules)
    customer = await one.make(door)
    await door.has(customer, available=one.points, pending=one.pending, held=0)
    return customer


async def is_said(door: Door, one: Input, customer: str) -> None:
    said = await door.ledger(customer)
    assert any(one.says in sentence for sentence in said), (one.name, said)
    if one.look is not None:
        await one.look(door, customer)


def test_each_input_comes_to_what_is_right_and_the_merchant_reads_why(holding: Stack) -> None:
    async def all_of_them() -> None:
        async with opened(holding) as (http, database):
            openings = asyncio.Semaphore(OPENINGS)

            async def right(one: Input) -> None:
                door = Door(holding, http, database, openings, f"row-{one.name}.myshopify.com")
                await is_said(door, one, await come_true(door, one))

            done = await asyncio.gather(*map(right, INPUTS), return_exceptions=True)
        wrong = [f"{one.name}: {error!r}" for one, error in zip(INPUTS, done, strict=True) if error]
        assert wrong == [], "\n".join(wrong)

    asyncio.run(all_of_them())
    holding.verify()
