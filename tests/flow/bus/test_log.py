"""Facts are read in order, each once, and never jumped over, whoever commits late."""

import asyncio
import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from app import db
from app.flow import event as envelope
from app.flow.bus import keeper, places, wakes
from app.flow.bus import log as fact_log
from app.flow.bus.interface import PARTS
from tests.flow.helpers import (
    SHOP,
    Service,
    consumer_of,
    emit,
    numbers,
    order,
    somebody_else,
    until,
)

WRITERS, BATCHES, LATE = 4, 30, 5


def shops(count: int) -> list[str]:
    return [f"shop-{number}.myshopify.com" for number in range(count)]


async def test_a_shop_stays_in_its_partition_and_shops_spread_over_all_of_them() -> None:
    found = Counter(fact_log.part_of(shop) for shop in shops(2_000))
    assert set(found) == set(range(PARTS))
    assert max(found.values()) < 2 * min(found.values())
    assert fact_log.part_of(SHOP) == 7, "as long as there are places, it is what it was"


async def test_facts_of_a_shop_are_read_in_the_order_they_were_written(service: Service) -> None:
    await emit(*(order(number) for number in range(250)))
    await emit(order(250))
    assert await service.run_once() > 0
    assert await service.effects() == list(range(251))


async def test_a_fact_that_commits_late_is_waited_for_and_not_jumped_over(
    service: Service,
) -> None:
    async with somebody_else(service.stores) as late:
        await fact_log.append(late, [order(1)])
        await emit(order(2))
        await service.look_once()
        assert await service.effects() == [], "what was written after it waits behind it"
        lag = await service.bus.lag(service.name, service.topics)
        assert lag.count == 1, "and is seen to wait"
    await service.run_once()
    assert await service.effects() == [1, 2]


async def test_under_load_with_late_commits_every_fact_is_read_once_and_in_order(
    service: Service,
) -> None:
    """Writers commit in any order, some of them long after the others; two readers read."""
    random.seed(7)
    written = 0
    names = shops(40)

    async def write(writer: int) -> None:
        nonlocal written
        for batch in range(BATCHES):
            mine = names[writer::WRITERS]  # as ingest: one writer a shop at a time
            events = [order(batch * 10 + place, shop=shop) for shop in mine for place in range(3)]
            async with db.transaction() as connection:
                await fact_log.append(connection, events)
                await asyncio.sleep(random.choice([0, 0, 0, 0.02, 0.1]))
            written += len(events)

    seen: list[envelope.Event] = []
    handle = service.handle

    async def handle_and_note(connection: object, events: list[envelope.Event]) -> None:
        await handle(connection, events)
        seen.extend(events)  # nothing fails here, so what is noted is committed

    service.handle = handle_and_note  # type: ignore[method-assign] # to see the shops, too
    writing = asyncio.gather(*(write(writer) for writer in range(WRITERS)))

    async def read() -> None:
        while not writing.done() or await service.look_once():
            await service.look_once()
            await asyncio.sleep(0)

    await asyncio.gather(read(), read(), writing)
    assert len(seen) == written == WRITERS * BATCHES * 10 * 3
    for shop in names:
        of_shop = numbers([event for event in seen if event.shop == shop])
        assert of_shop == sorted(of_shop)
        assert len(set(of_shop)) == len(of_shop) == BATCHES * 3


async def test_a_long_transaction_that_holds_the_readers_up_is_named(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fact_log, "HELD_UP_AFTER_SECONDS", 0.05)
    assert await fact_log.holder() is None
    async with somebody_else(service.stores) as late:
        await late.execute("SET LOCAL application_name = 'somebody at a prompt'")
        await late.execute("CREATE TEMP TABLE built (number int)")
        await asyncio.sleep(0.1)
        await emit(order(1))
        await service.look_once()
        assert await service.effects() == []
        found = await fact_log.holder()
        assert found is not None
        assert (found.application, found.user) == ("somebody at a prompt", "postgres")
        assert found.seconds > 0.05
    await service.run_once()
    assert await service.effects() == [1]
    assert await fact_log.holder() is None


async def test_two_readers_never_hold_the_same_partition(service: Service) -> None:
    await places.ensure(service.name)
    await emit(*(order(number, shop=shop) for number, shop in enumerate(shops(64))))
    heads = await service.bus.heads(service.name, service.topics, 64)
    until_here = [head.place for head in heads]
    async with (
        somebody_else(service.stores) as first,
        somebody_else(service.stores) as second,
    ):
        mine = await service.bus.read(first, service.name, service.topics, until_here[:3])
        theirs = await service.bus.read(second, service.name, service.topics, until_here)
    held = {entry.place.part for entry in mine}
    assert held == {place.part for place in until_here[:3]}
    assert held.isdisjoint({entry.place.part for entry in theirs})
    assert len({entry.place.part for entry in theirs}) == PARTS - 3


async def test_what_nobody_asked_for_is_passed_without_being_read(service: Service) -> None:
    await emit(*(order(number, topic="customer.created") for number in range(30)), order(7))
    await emit(*(order(number, topic="customer.created") for number in range(30)))
    while await service.run_once():
        pass
    assert await service.effects() == [7]
    assert await service.bus.heads(service.name, service.topics, 64) == []


async def test_a_new_service_begins_at_the_oldest_fact_there_is(service: Service) -> None:
    await emit(order(1), order(2))
    await service.run_once()
    newcomer = Service(service.stores, service.bus, name="campaigns")
    await newcomer.run_once()
    assert await service.effects() == [1, 2, 1, 2]


async def test_a_service_told_to_go_back_reads_again_from_that_moment_on(
    service: Service,
) -> None:
    await emit(order(1))
    async with db.connection() as connection:
        await connection.execute("UPDATE facts SET signed_at = signed_at - 7200")
    await emit(order(2), order(3, shop="bob.myshopify.com"))
    await service.run_once()
    assert await places.go_back(service.name, datetime.now(UTC) - timedelta(hours=1)) == 2
    rows = await facts_signed_again()
    assert rows == 3, "facts stay where they are"
    heads = await service.bus.heads(service.name, service.topics, 64)
    assert sum(head.facts for head in heads) == 2


async def facts_signed_again() -> int:
    async with db.connection() as connection:
        return int(await connection.fetchval("SELECT sum(facts) FROM facts"))


async def test_an_older_shape_of_a_topic_is_brought_up_to_date_on_reading(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await emit(order(1))
    monkeypatch.setitem(
        envelope.UPCASTS, ("order.paid", 1), lambda data: {"order_id": f"{data['order_id']}0"}
    )
    await service.run_once()
    assert await service.effects() == [10]


async def test_facts_larger_than_an_entry_are_cut_into_several_and_all_read(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fact_log, "ENTRY_FACTS_MAX", 7)
    monkeypatch.setattr(fact_log, "ENTRY_BYTES_MAX", 900)
    await emit(*(order(number) for number in range(40)))
    async with db.connection() as connection:
        sizes = [row["facts"] for row in await connection.fetch("SELECT facts FROM facts")]
    assert len(sizes) > 5
    assert sum(sizes) == 40
    while await service.run_once():
        pass
    assert await service.effects() == list(range(40))


async def test_facts_around_midnight_are_read_whatever_day_they_were_filed_under(
    service: Service,
) -> None:
    await emit(order(1))
    async with db.connection() as connection:
        await connection.execute("UPDATE facts SET day = day + 1")
    await service.run_once()
    await emit(order(2))
    await service.run_once()
    assert await service.effects() == [1, 2]


async def test_days_to_come_have_their_partition_and_days_long_gone_end(
    service: Service,
) -> None:
    today = datetime.now(UTC).date()
    await keeper.keep(today)
    await keeper.keep(today)
    assert await days("facts") == {today + timedelta(days=ahead) for ahead in range(8)}
    await emit(order(1))
    await service.run_once()
    later = today + timedelta(days=20)
    await keeper.keep(later)
    assert min(await days("facts")) == later - timedelta(days=14)
    assert min(await days("receipts")) == today, "receipts are kept for thirty days"
    assert await service.run_once() == 0


async def test_facts_that_a_service_has_not_read_outlive_their_time(service: Service) -> None:
    today = datetime.now(UTC).date()
    await keeper.keep(today)
    await places.ensure(service.name)
    await emit(order(1))
    await keeper.keep(today + timedelta(days=20))
    assert today in await days("facts")
    await service.run_once()
    assert await service.effects() == [1]
    await keeper.keep(today + timedelta(days=20))
    assert today not in await days("facts")


async def days(table: str) -> set[date]:
    async with db.connection() as connection:
        rows = await connection.fetch(keeper.PARTITIONS, table)
    found = {keeper._day_of(table, row["name"]) for row in rows}
    return {day for day in found if day is not None}


async def test_a_log_moved_to_a_younger_cluster_goes_on_above_what_was_read(
    service: Service,
) -> None:
    await emit(order(1))
    await service.run_once()
    async with db.transaction() as connection:
        # as after a restore from a dump: everything stored has higher numbers than what comes
        await connection.execute("UPDATE places SET tx = tx + 1000000000")
        assert await keeper.raise_base(connection)
        assert not await keeper.raise_base(connection)
    try:
        await emit(order(2))
        await service.run_once()
        assert await service.effects() == [1, 2]
    finally:
        async with db.connection() as connection:
            await connection.execute(
                "CREATE OR REPLACE FUNCTION log_base() RETURNS bigint STABLE LANGUAGE sql "
                "AS 'SELECT 0::bigint'"
            )


async def test_a_reader_is_woken_and_does_not_have_to_look(service: Service) -> None:
    stop, running = asyncio.Event(), consumer_of(service)
    working = asyncio.gather(running.wakes.listen(service.topics, stop), running.run(stop))
    assert await until(lambda: running.wakes.is_live)
    now, took = asyncio.get_running_loop().time, [60.0]
    while min(took) > 0.5 and len(took) < 10:  # a machine may stand still now and then
        await asyncio.sleep(0.3)  # by now it looks once a second only
        began = now()
        await emit(order(len(took)))
        await wakes.tell(service.stores.queue, ["order.paid"])
        while len(await service.effects()) < len(took):  # noqa: ASYNC110 - of a table
            await asyncio.sleep(0.02)
        took.append(now() - began)
    assert min(took) < 0.5
    stop.set()
    await asyncio.wait_for(working, 30)


async def test_two_keepers_at_once_do_no_harm(stores: db.Stores) -> None:
    day = datetime.now(UTC).date() + timedelta(days=40)
    for _ in range(3):  # one may fail where both make the same partition; it looks again
        await asyncio.gather(keeper.keep(day), keeper.keep(day), return_exceptions=True)
    await keeper.keep(day)
    made = {f"facts_{day + timedelta(days=ahead):%Y%m%d}" for ahead in range(8)}
    async with db.connection() as connection:
        found = {row["name"] for row in await connection.fetch(keeper.PARTITIONS, "facts")}
    assert made <= found
    await keeper.keep(datetime.now(UTC).date())
