"""A service handles each event once, whatever is poisoned, killed or comes late."""

import asyncio
import dataclasses
from typing import Any

import asyncpg
import msgspec
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from app import db
from app.errors import RefusedError
from app.flow import event as envelope
from app.flow.bus import consumer, starts
from tests.flow.helpers import (
    SHOP,
    TOPIC,
    Service,
    consumer_of,
    emit,
    left_over,
    letters,
    make_letters_due,
    order,
    somebody_else,
    until,
)


async def replay_all_letters() -> None:
    async with db.connection() as connection:
        await connection.execute(
            "UPDATE dead_letters SET state = 'waiting', next_attempt_at = now()"
        )


async def test_a_batch_is_handled_in_one_call_and_in_order(service: Service) -> None:
    await emit(*(order(number) for number in range(50)))
    assert await service.run_once() == 1
    assert service.batches == [list(range(50))]
    assert await service.effects() == list(range(50))
    assert await left_over(service) == 0


async def test_a_backlog_is_handled_in_batches_of_about_the_configured_size(
    service: Service,
) -> None:
    service.topics = (TOPIC, "order.refunded")
    config = dataclasses.replace(service.stores.config, consumer_batch=20)
    service.stores = dataclasses.replace(service.stores, config=config)
    for start in range(0, 100, 10):
        await emit(
            *(order(start + number, topic=service.topics[number % 2]) for number in range(10))
        )
    assert await service.run_once() == 10
    assert [len(batch) for batch in service.batches] == [20] * 5
    assert await service.effects() == list(range(100))


async def test_each_service_gets_every_event(service: Service) -> None:
    await emit(order(1))
    await service.run_once()
    await dataclasses.replace(service, name="campaigns").run_once()
    assert await service.effects() == [1, 1]


async def test_a_poisoned_event_holds_up_none_of_fifty(service: Service) -> None:
    service.poison = lambda number: ZeroDivisionError("of course") if number == 20 else None
    await emit(*(order(number) for number in range(51)))
    await service.run_once()
    assert await service.effects() == [number for number in range(51) if number != 20]
    assert await left_over(service) == 0
    [letter] = await letters()
    assert (
        letter["service"],
        letter["shop"],
        letter["topic"],
        letter["state"],
        letter["attempts"],
    ) == ("points", "alice.myshopify.com", TOPIC, "waiting", 1)
    assert letter["reason"] == "ZeroDivisionError: of course"


async def test_an_event_refused_for_good_is_dead_at_once(service: Service) -> None:
    service.poison = lambda number: RefusedError("Points cannot be earned here.")
    await emit(order(1))
    await service.run_once()
    [letter] = await letters()
    assert (letter["state"], letter["reason"], letter["next_attempt_at"]) == (
        "dead",
        "Points cannot be earned here.",
        None,
    )


async def test_a_waiting_event_is_handled_when_its_time_comes(service: Service) -> None:
    service.poison = lambda number: ZeroDivisionError() if number == 1 else None
    await emit(order(1), order(2))
    await service.run_once()
    service.poison = lambda number: None
    await service.run_once()
    assert await service.effects() == [2], "not before its time"
    await make_letters_due()
    assert await service.run_once() == 1
    assert await service.effects() == [2, 1]
    assert [letter["state"] for letter in await letters()] == ["done"]
    await make_letters_due()
    await service.run_once()
    assert await service.effects() == [2, 1]


async def forge(changes: str) -> None:
    async with db.connection() as connection:
        await connection.execute(f"UPDATE facts SET {changes}")


@pytest.mark.parametrize(
    "forgery",
    ["signature = 'v1,c29tZWJvZHk='", "entry = 'another'", "signed_at = signed_at + 1", "body"],
)
async def test_a_badly_signed_entry_is_set_aside_and_never_handled(
    service: Service, forgery: str
) -> None:
    await emit(order(1))
    if forgery == "body":
        forged = envelope.pack([envelope.encode(order(1_000_000))])
        forgery = f"body = decode('{forged.hex()}', 'hex')"
    await forge(forgery)
    await emit(order(2))
    await service.run_once()
    assert await service.effects() == [2]
    [letter] = await letters()
    assert (letter["state"], letter["shop"]) == ("dead", ""), "nobody knows whose shop it is"
    await replay_all_letters()
    await service.run_once()
    assert await service.effects() == [2], "replayed, it is still not signed"
    assert {letter["state"] for letter in await letters()} == {"dead"}


async def test_facts_signed_before_a_rotation_are_handled_after_it(service: Service) -> None:
    stores = service.stores

    def knows(*secrets: str) -> None:
        envelope.use_secrets(secrets)
        config = dataclasses.replace(stores.config, event_secrets=secrets)
        service.stores = dataclasses.replace(stores, config=config)

    try:
        knows("old")
        await emit(order(1))
        knows("new", "old")
        await emit(order(2))
        await service.run_once()
        assert await service.effects() == [1, 2]
        knows("old")
        await emit(order(3))
        knows("new")
        await service.run_once()
        assert await service.effects() == [1, 2], "the old secret is retired"
        knows("new", "old")
        await replay_all_letters()
        await service.run_once()
        assert await service.effects() == [1, 2, 3], "one retired too early can be replayed"
    finally:
        envelope.use_secrets(stores.config.event_secrets)


async def test_an_event_of_a_newer_version_waits_for_the_release_that_knows_it(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    future = msgspec.structs.replace(order(1), version=2)
    await emit(future, order(2))
    await service.run_once()
    assert await service.effects() == [2]
    for _ in range(10):
        await make_letters_due()
        await service.run_once()
    [letter] = await letters()
    assert (letter["state"], letter["attempts"], letter["shop"]) == ("waiting", 0, SHOP)
    assert letter["reason"] == "order.paid version 2 is not known here yet; the newest known is 1."
    # the program learns version 2
    monkeypatch.setitem(envelope.UPCASTS, (TOPIC, 1), lambda data: data)
    await make_letters_due()
    await service.run_once()
    assert await service.effects() == [2, 1]


@pytest.mark.parametrize("poisoned", [1, 100])
async def test_every_so_many_events_poisoned_the_others_are_handled_in_one_go(
    service: Service, poisoned: int
) -> None:
    """One of a thousand, and every tenth of them."""
    step = 1000 // poisoned
    service.poison = lambda number: RefusedError("no") if number % step == 7 % step else None
    await emit(*(order(number, shop=f"shop-{number % 50}.myshopify.com") for number in range(1000)))
    await service.run_once()
    handled = await service.effects()
    assert len(handled) == len(set(handled)) == 1000 - poisoned
    assert not [number for number in handled if number % step == 7 % step]
    assert len(await letters()) == poisoned
    assert await left_over(service) == 0


async def test_a_row_somebody_locks_makes_its_event_wait_and_no_other(service: Service) -> None:
    """Somebody else holds the row of one effect for as long as they like."""
    async with db.connection() as connection:
        await connection.execute("CREATE TABLE rows_held (number int PRIMARY KEY)")
        await connection.execute("INSERT INTO rows_held SELECT generate_series(0, 49)")
    handle = service.handle

    async def touches_rows(connection: Any, events: list[envelope.Event]) -> None:
        await connection.execute("SET LOCAL lock_timeout = '200ms'")
        found = [int(msgspec.json.decode(event.data)["order_id"]) for event in events]
        await connection.execute(
            "SELECT FROM rows_held WHERE number = ANY($1::int[]) FOR UPDATE", found
        )
        await handle(connection, events)

    service.handle = touches_rows  # type: ignore[method-assign,assignment] # it locks
    try:
        await emit(*(order(number) for number in range(50)))
        async with somebody_else(service.stores) as other:
            await other.execute("SELECT FROM rows_held WHERE number = 20 FOR UPDATE")
            await service.run_once()
            assert await service.effects() == [number for number in range(50) if number != 20]
            [letter] = await letters()
            assert (letter["state"], letter["attempts"]) == ("waiting", 0), "nobody is to blame"
            await make_letters_due()
            await service.run_once()
            [letter] = await letters()
            assert (letter["state"], letter["attempts"]) == ("waiting", 0)
        await make_letters_due()
        await service.run_once()
        assert (await service.effects())[-1] == 20
    finally:
        async with db.connection() as connection:
            await connection.execute("DROP TABLE rows_held")


async def test_killed_in_the_middle_of_a_batch_it_is_handled_once_by_whoever_comes_next(
    service: Service,
) -> None:
    await emit(*(order(number) for number in range(10)))
    killed = consumer_of(service)

    async def is_killed(connection: Any, events: list[envelope.Event]) -> None:
        await service.handle(connection, events)
        raise asyncio.CancelledError

    killed.handle = is_killed  # type: ignore[assignment] # nothing comes back from it
    await consumer.places.ensure(service.name)
    with pytest.raises(asyncio.CancelledError):
        await killed.run_once()
    assert await service.effects() == []
    assert await consumer_of(service, "2").run_once() == 1
    assert await service.effects() == list(range(10))
    assert await consumer_of(service).run_once() == 0


async def test_any_number_of_processes_share_the_work_and_each_event_is_handled_once(
    service: Service,
) -> None:
    config = dataclasses.replace(service.stores.config, consumer_batch=7)
    service.stores = dataclasses.replace(service.stores, config=config)
    stop = asyncio.Event()
    running = [asyncio.create_task(consumer_of(service, slot).run(stop)) for slot in "123"]
    for start in range(0, 300, 20):
        await emit(
            *(
                order(number, shop=f"shop-{number % 30}.myshopify.com")
                for number in range(start, start + 20)
            )
        )

    async def is_done() -> bool:
        return len(await service.effects()) >= 300 and await left_over(service) == 0

    assert await until(is_done)
    stop.set()
    await asyncio.wait_for(asyncio.gather(*running), 5)
    assert sorted(await service.effects()) == list(range(300))
    assert not await letters()


async def test_caches_are_refreshed_after_the_commit_and_their_failure_undoes_nothing(
    service: Service,
) -> None:
    seen: list[list[int]] = []

    async def handle(
        connection: asyncpg.Connection, events: list[envelope.Event]
    ) -> consumer.AfterCommit:
        await service.handle(connection, events)

        async def refresh() -> None:
            seen.append(await service.effects())
            raise RedisConnectionError("cache away")

        return refresh

    await emit(order(1))
    found = await consumer.run_once("points", service.topics, handle, service.bus, service.stores)
    assert found == 1
    assert seen == [[1]], "outside the transaction the effect is there already"
    assert await left_over(service) == 0


class Killed(BaseException):
    """As kill -9: nothing of the process runs after it."""


async def test_an_event_that_ends_its_process_every_time_is_found_out_and_set_aside(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starts, "CAREFUL_EVENTS", 20)
    await emit(*(order(number) for number in range(10)))

    async def ends_on_4(connection: Any, events: list[envelope.Event]) -> None:
        if any(b'"4"' in bytes(event.data) for event in events):
            raise Killed
        await service.handle(connection, events)

    async def start() -> None:
        """One life of the process, which a supervisor starts again."""
        process = consumer_of(service)
        process.handle = ends_on_4  # type: ignore[assignment] # nothing comes back from it
        await process.starts.begin()
        turn = process.run_carefully if process.starts.careful_events else process.run_once
        while await left_over(service):
            await turn()
        await process.starts.end()

    await consumer.places.ensure(service.name)
    lives = 0
    while await left_over(service):
        lives += 1
        assert lives < 10, "it must be found out at some time"
        try:
            await start()
        except Killed:
            continue
    assert await service.effects() == [number for number in range(10) if number != 4]
    [letter] = await letters()
    assert letter["state"] == "dead"
    assert letter["reason"] == (
        "It ended the process that handled it, or broke its connection, more than once."
    )
    assert lives == 6, "three that count, two on the suspect, and the one that sets it aside"


async def test_a_letter_that_ends_its_process_uses_up_its_tries_all_the_same(
    service: Service,
) -> None:
    service.poison = lambda number: ZeroDivisionError()
    await emit(order(1))
    await service.run_once()

    async def ends(_connection: Any, _events: list[envelope.Event]) -> None:
        raise Killed

    process = consumer_of(service)
    process.handle = ends  # type: ignore[assignment] # nothing comes back from it
    for _ in range(5):
        await make_letters_due()
        with pytest.raises(Killed):
            await consumer.dead_letters.retry_due(service.name, process.handle_letter)
    [letter] = await letters()
    assert (letter["state"], letter["attempts"]) == ("dead", 6)
