"""Random histories of repeats, crashes and failures: in the end every event has had exactly one
effect.
"""

import asyncio

from app.flow.bus.outbox import Relay
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.exceptions import ConnectionError as RedisConnectionError

from app import db
from app.flow.bus.consumer import Consumer
from app.flow.bus.interface import Bus
from tests.flow.helpers import Service, emit, letters, make_letters_due, order

STEPS = st.one_of(
    st.tuples(st.just("publish"), st.lists(st.integers(0, 9), min_size=1, max_size=8)),
    st.tuples(st.just("poison"), st.sets(st.integers(0, 9), max_size=4)),
    st.tuples(
        st.sampled_from(
            ["consume", "die before the commit", "die before the acknowledgement", "retry"]
        ),
        st.none(),
    ),
)


class History:
    def __init__(self, service: Service, bus: Bus, stores: db.Stores) -> None:
        self.service, self.bus, self.stores = service, bus, stores
        self.relay = Relay(bus, stores.config)
        self.events = [order(number) for number in range(10)]
        self.published: set[int] = set()

    async def step(self, what: str, numbers: object) -> None:
        if what == "publish":
            assert isinstance(numbers, list)
            self.published |= set(numbers)
            await emit(*(self.events[number] for number in numbers))
            await self.relay.run_once()
        elif what == "poison":
            assert isinstance(numbers, set)
            self.service.poison = lambda number: ZeroDivisionError() if number in numbers else None
        elif what == "die before the commit":
            await self.bus.ensure(self.service.name, self.service.topics)
            await self.bus.read(self.service.name, "points-1", self.service.topics, 5, 0)
        elif what == "die before the acknowledgement":
            await self.consume(acknowledges=False)
        else:
            if what == "retry":
                await make_letters_due()
            await self.consume()

    async def consume(self, *, acknowledges: bool = True) -> None:
        consumer = Consumer(
            self.service.name, self.service.topics, self.service.handle, self.bus, self.stores
        )
        if not acknowledges:
            consumer.bus = Deaf(self.bus)  # type: ignore[assignment] # a bus in all but one method
        try:
            while await consumer.run_once():
                pass
        except RedisConnectionError:
            assert not acknowledges

    async def end(self) -> None:
        self.service.poison = lambda number: None
        async with db.connection() as connection:
            await connection.execute(
                "UPDATE dead_letters SET state = 'waiting' WHERE state = 'dead'"
            )
        await make_letters_due()
        await self.consume()
        assert sorted(await self.service.effects()) == sorted(self.published)
        assert {letter["state"] for letter in await letters()} <= {"done"}
        assert (await self.bus.lag(self.service.name, self.service.topics)).count == 0


class Deaf:
    def __init__(self, bus: Bus) -> None:
        self.bus = bus

    async def ack(self, group: str, deliveries: object) -> None:
        raise RedisConnectionError("connection reset")

    def __getattr__(self, name: str) -> object:
        return getattr(self.bus, name)


@given(steps=st.lists(STEPS, max_size=12))
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_every_event_has_exactly_one_effect(
    service: Service, bus: Bus, stores: db.Stores, steps: list[tuple[str, object]]
) -> None:
    await stores.queue.flushall()
    async with db.connection() as connection:
        for table in ("effects", "consumed", "dead_letters"):
            await connection.execute(f"DELETE FROM {table}")
    history = History(service, bus, stores)
    async with asyncio.timeout(20):
        for what, numbers in steps:
            await history.step(what, numbers)
        await history.end()
        await history.relay.close()
