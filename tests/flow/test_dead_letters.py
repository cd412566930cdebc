"""Dead letters wait, are tried again, die, and are replayed without doing anything twice."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from app import db
from app.errors import NotFoundError, RefusedError
from app.flow import dead_letters, due_letters, shown_letters
from app.flow.dead_letters import Letter
from app.flow.models import DeadLetter
from tests.flow.helpers import SHOP, Service, emit, letters, make_letters_due, order

CHARLIES = "charlie.myshopify.com"


async def set_aside(
    reference: str, error: Exception, service: str = "ingest", shop: str = SHOP
) -> bool:
    async with db.transaction() as connection:
        return await dead_letters.add(
            connection,
            error,
            service=service,
            shop=shop,
            topic="orders/paid",
            reference=reference,
            payload=b"{}",
        )


async def fails(_connection: Any, _letter: Letter) -> None:
    raise ZeroDivisionError("still")


async def works(_connection: Any, _letter: Letter) -> None:
    return None


async def only_letter() -> DeadLetter:
    return await DeadLetter.get()


async def test_a_letter_waits_two_seconds_then_four_times_longer_each_time_and_dies_after_six_tries(
    stores: db.Stores,
) -> None:
    await set_aside("1", ZeroDivisionError("first"))
    waited = []
    while (letter := await only_letter()).state == "waiting":
        assert letter.next_attempt_at is not None
        waited.append((letter.next_attempt_at - datetime.now(UTC)).total_seconds())
        assert await due_letters.find("ingest", datetime.now(UTC)) == []
        await make_letters_due()
        assert await dead_letters.retry_due("ingest", fails) == 0
    for seconds, expected in zip(waited, [2, 8, 32, 128, 512], strict=True):
        assert expected * 0.9 < seconds <= expected * 1.1
    assert (letter.state, letter.attempts, letter.next_attempt_at) == ("dead", 6, None)
    assert [entry["reason"] for entry in letter.history] == [
        "ZeroDivisionError: first",
        *["ZeroDivisionError: still"] * 5,
    ]


async def test_the_same_failure_told_twice_is_one_letter(stores: db.Stores) -> None:
    assert await set_aside("1", ZeroDivisionError())
    assert not await set_aside("1", RefusedError("no"))
    assert await set_aside("1", ZeroDivisionError(), shop=CHARLIES)
    assert [letter["state"] for letter in await letters()] == ["waiting", "waiting"]


async def test_a_reason_of_any_text_can_be_kept(stores: db.Stores) -> None:
    await set_aside(
        "1", ValueError("nul \x00, lone surrogate \ud800, \u202eright to left, 🛍" + "x" * 10_000)
    )
    letter = await only_letter()
    assert letter.reason.startswith("ValueError: nul , lone surrogate ?, \u202eright to left, 🛍")
    assert len(letter.reason) == 2_000


async def test_a_replayed_letter_gets_all_its_tries_again_and_keeps_its_history(
    stores: db.Stores,
) -> None:
    await set_aside("1", RefusedError("no"))
    letter = await only_letter()
    await dead_letters.replay(SHOP, letter.id)
    await dead_letters.replay(SHOP, letter.id)
    await dead_letters.retry_due("ingest", fails)
    letter = await only_letter()
    assert (letter.state, letter.attempts) == ("waiting", 1)
    assert [entry["reason"] for entry in letter.history] == [
        "no",
        "Replay asked for.",
        "ZeroDivisionError: still",
    ]
    await dead_letters.replay(SHOP, letter.id)
    assert await dead_letters.retry_due("ingest", works) == 1
    letter = await only_letter()
    assert letter.state == "done"
    await dead_letters.replay(SHOP, letter.id)
    assert await dead_letters.retry_due("ingest", fails) == 0, (
        "what was handled is not handled again"
    )


async def test_nobody_replays_another_shops_letter(stores: db.Stores) -> None:
    await set_aside("1", RefusedError("no"))
    letter = await only_letter()
    with pytest.raises(NotFoundError):
        await dead_letters.replay(CHARLIES, letter.id)
    assert await dead_letters.replay_all(CHARLIES) == 0
    assert (await only_letter()).state == "dead"
    assert (await shown_letters.list_for_shop(CHARLIES)).total == 0


async def test_replaying_all_of_a_shop_handles_each_event_once(service: Service) -> None:
    service.poison = lambda number: RefusedError("no") if number % 10 == 0 else None
    await emit(*(order(number) for number in range(50)), order(60, shop=CHARLIES))
    await service.run_once()
    assert await shown_letters.count_for_shop(SHOP) == 5
    service.poison = lambda number: None
    assert await dead_letters.replay_all(SHOP) == 5
    assert await dead_letters.replay_all(SHOP) == 5, "asked twice, done once"
    await service.run_once()
    assert sorted(await service.effects()) == list(range(50))
    assert await dead_letters.replay_all(SHOP) == 0
    assert await shown_letters.count_for_shop(CHARLIES) == 1


async def test_two_processes_retrying_at_once_handle_a_letter_once(stores: db.Stores) -> None:
    for number in range(10):
        await set_aside(str(number), RefusedError("no"))
    await dead_letters.replay_all(SHOP)
    handled: list[str] = []

    async def attempt(connection: Any, letter: Letter) -> None:
        await connection.execute("SELECT pg_sleep(0.01)")
        handled.append(letter.reference)

    done = await asyncio.gather(*(dead_letters.retry_due("ingest", attempt) for _ in range(3)))
    assert sum(done) == 10
    assert sorted(handled) == [str(number) for number in range(10)]


async def test_a_letter_held_up_by_the_database_costs_no_try_and_holds_up_no_other(
    stores: db.Stores,
) -> None:
    await set_aside("1", ZeroDivisionError())
    await set_aside("2", ZeroDivisionError())
    await make_letters_due()

    async def deadlocked(_connection: Any, letter: Letter) -> None:
        if letter.reference == "1":
            raise asyncpg.DeadlockDetectedError("deadlock detected")

    assert await dead_letters.retry_due("ingest", deadlocked) == 1
    letter = await DeadLetter.get(reference="1")
    assert (letter.state, letter.attempts) == ("waiting", 1)
    assert letter.next_attempt_at is not None
    assert 3 < (letter.next_attempt_at - datetime.now(UTC)).total_seconds() <= 5


async def test_what_a_failed_retry_wrote_is_undone(service: Service) -> None:
    service.poison = lambda number: ZeroDivisionError()
    await emit(order(1))
    await service.run_once()
    await make_letters_due()
    await service.run_once()
    assert await service.effects() == []


async def test_letters_are_listed_newest_first_a_page_at_a_time(stores: db.Stores) -> None:
    for number in range(5):
        await set_aside(str(number), RefusedError("no"))
    first, last = (
        await shown_letters.list_for_shop(SHOP, 1, 2),
        await shown_letters.list_for_shop(SHOP, 99, 2),
    )
    assert ([letter.reference for letter in first.letters], first.total, first.pages) == (
        ["4", "3"],
        5,
        3,
    )
    assert ([letter.reference for letter in last.letters], last.page) == (["0"], 3)
    assert [
        letter.reference for letter in (await shown_letters.list_for_shop(SHOP, -1, 2)).letters
    ] == ["4", "3"]
    assert (await shown_letters.list_for_shop(CHARLIES)).pages == 1


async def test_only_the_services_own_letters_are_due_the_longest_waiting_first(
    stores: db.Stores,
) -> None:
    for service in ("ingest", "points"):
        for number in range(3):
            await set_aside(str(number), ZeroDivisionError(), service)
    await DeadLetter.filter(reference="2").update(
        next_attempt_at=datetime.now(UTC) - timedelta(minutes=2)
    )
    await DeadLetter.filter(reference="0").update(
        next_attempt_at=datetime.now(UTC) - timedelta(minutes=1)
    )
    now = datetime.now(UTC)
    assert await references(await due_letters.find("ingest", now)) == ["2", "0"]
    assert await references(await due_letters.find("points", now, limit=1)) == ["2"]


async def references(ids: list[int]) -> list[str]:
    return [(await DeadLetter.get(id=letter_id)).reference for letter_id in ids]


async def test_one_letter_does_not_wait_behind_the_thousands_of_another_shop(
    stores: db.Stores,
) -> None:
    async with db.connection() as connection:
        await connection.execute(
            """
            INSERT INTO dead_letters (service, shop, topic, reference, payload, state, reason,
                attempts, history, next_attempt_at, proof, created_at, updated_at)
            SELECT 'points', 'alice.myshopify.com', 'order.paid', n::text, '', 'waiting', '', 1,
                   '[]', now() - interval '1 hour', '', now(), now()
              FROM generate_series(1, 5000) AS n
            """
        )
    await set_aside("mine", ZeroDivisionError(), "points", CHARLIES)
    await DeadLetter.filter(shop=CHARLIES).update(
        next_attempt_at=datetime.now(UTC) - timedelta(seconds=1)
    )
    first = await references(await due_letters.find("points", datetime.now(UTC)))
    assert "mine" in first[:2]


async def test_with_more_shops_than_one_look_sees_each_has_its_turn(
    stores: db.Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due_letters, "SHOPS_AT_ONCE", 3)
    for number in range(8):
        await set_aside(str(number), ZeroDivisionError(), "points", f"{number}.myshopify.com")
    await make_letters_due()
    seen: set[str] = set()
    for _ in range(5):
        seen |= set(await references(await due_letters.find("points", datetime.now(UTC))))
    assert seen == {str(number) for number in range(8)}


@pytest.mark.parametrize("letter_id", [0, -1, 2**63, 10**30])
async def test_a_number_no_letter_can_have_is_not_found(stores, letter_id: int) -> None:
    with pytest.raises(NotFoundError):
        await dead_letters.replay(SHOP, letter_id)
