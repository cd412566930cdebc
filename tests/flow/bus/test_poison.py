"""Of what a service cannot handle each event is set aside alone, and tried again apart."""

from typing import Any

import msgspec
import pytest

from app import db
from app.errors import RefusedError
from app.flow import event as envelope
from app.flow.bus import consumer, starts
from app.flow.bus import log as fact_log
from app.flow.event import Event
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
)


async def replay_all_letters() -> None:
    async with db.connection() as connection:
        await connection.execute(
            "UPDATE dead_letters SET state = 'waiting', next_attempt_at = now()"
        )


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


async def emit_forged(event: Event, changes: str) -> None:
    """A fact that nobody can have read, or copied, before it was changed."""
    async with db.transaction() as connection:
        await fact_log.append(connection, [event])
        await connection.execute(f"UPDATE facts SET {changes}")


@pytest.mark.parametrize(
    "forgery",
    ["signature = 'v1,c29tZWJvZHk='", "entry = 'another'", "signed_at = signed_at + 1", "body"],
)
async def test_a_badly_signed_entry_is_set_aside_and_never_handled(
    service: Service, forgery: str
) -> None:
    if forgery == "body":
        forged = envelope.pack([envelope.encode(order(1_000_000))])
        forgery = f"body = decode('{forged.hex()}', 'hex')"
    await emit_forged(order(1), forgery)
    await emit(order(2))
    await service.run_once()
    assert await service.effects() == [2]
    [letter] = await letters()
    assert (letter["state"], letter["shop"]) == ("dead", ""), "nobody knows whose shop it is"
    await replay_all_letters()
    await service.run_once()
    assert await service.effects() == [2], "replayed, it is still not signed"
    assert {letter["state"] for letter in await letters()} == {"dead"}


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
