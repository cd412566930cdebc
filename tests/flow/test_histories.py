"""Random histories of repeats, crashes and failures: in the end every event has had exactly one
effect.
"""

import asyncio
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import db
from app.flow.bus import places
from app.flow.bus.consumer import Consumer
from app.flow.bus.interface import Bus
from app.flow.dead_letters import retry_due
from app.flow.event import Event
from tests.flow.helpers import Service, emit, letters, make_letters_due, order

STEPS = st.one_of(
    st.tuples(st.just("publish"), st.lists(st.integers(0, 9), min_size=1, max_size=8)),
    st.tuples(st.just("poison"), st.sets(st.integers(0, 9), max_size=4)),
    st.tuples(
        st.sampled_from(["consume", "die before the commit", "retry"]),
        st.none(),
    ),
)


class History:
    def __init__(self, service: Service, bus: Bus, stores: db.Stores) -> None:
        self.service, self.bus, self.stores = service, bus, stores
        self.events = [order(number) for number in range(10)]
        self.published: set[int] = set()

    async def step(self, what: str, numbers: object) -> None:
        if what == "publish":
            assert isinstance(numbers, list)
            fresh = sorted(set(numbers) - self.published)
            self.published |= set(numbers)
            await emit(*(self.events[number] for number in fresh))
        elif what == "poison":
            assert isinstance(numbers, set)
            self.service.poison = lambda number: ZeroDivisionError() if number in numbers else None
        elif what == "die before the commit":
            await self.consume(dies=True)
        else:
            if what == "retry":
                await make_letters_due()
            await self.consume()

    async def consume(self, *, dies: bool = False) -> None:
        handle = self.service.handle
        consumer = Consumer(self.service.name, self.service.topics, handle, self.bus, self.stores)

        async def and_die(connection: Any, events: list[Event]) -> None:
            await handle(connection, events)
            raise Died

        if dies:
            consumer.handle = and_die  # type: ignore[assignment] # nothing comes back from it
        try:
            await retry_due(self.service.name, consumer.handle_letter)
            while await consumer.run_once():
                pass
        except Died:
            assert dies

    async def end(self) -> None:
        self.service.poison = lambda number: None
        async with db.connection() as connection:
            await connection.execute(
                "UPDATE dead_letters SET state = 'waiting' WHERE state = 'dead'"
            )
        await make_letters_due()
        await self.consume()
        await self.service.run_once()
        assert sorted(await self.service.effects()) == sorted(self.published)
        assert {letter["state"] for letter in await letters()} <= {"done"}
        assert (await self.bus.lag(self.service.name, self.service.topics)).count == 0


class Died(BaseException):
    """As kill -9: the transaction ends with its connection."""


@given(steps=st.lists(STEPS, max_size=12))
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_every_event_has_exactly_one_effect(
    service: Service, bus: Bus, stores: db.Stores, steps: list[tuple[str, object]]
) -> None:
    await stores.queue.flushall()
    async with db.connection() as connection:
        for table in ("effects", "facts", "places", "dead_letters"):
            await connection.execute(f"DELETE FROM {table}")
    await places.ensure(service.name)
    history = History(service, bus, stores)
    async with asyncio.timeout(120):
        for what, numbers in steps:
            await history.step(what, numbers)
        await history.end()
