"""Who lives, how far each service is, and what is known while Redis is away."""

import asyncio
import functools
import time
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from app import db
from app.flow.lanes import backlog
from app.resilience import cache, health
from local import servers


@pytest.fixture(autouse=True)
def _no_witnesses(monkeypatch) -> None:
    monkeypatch.setattr(health, "_witnesses", {})


@pytest.fixture
def away():
    return db.redis_client(f"redis://127.0.0.1:{servers.free_port()}/0")


async def write(redis, service: str, *, seconds_ago: float = 0, lag_seconds: float = 0) -> None:
    at = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    await redis.hset(health.KEY, service, msgspec.json.encode(health.Beat(at, lag_seconds, None)))


async def test_a_service_that_never_beat_is_down(stores) -> None:
    health.forget()
    board = await health.board(stores.queue)
    assert set(board) == set(health.PROCESSES)
    assert not board["points"].alive
    assert health.service_notice(board, "points") == "down"


async def test_a_beat_makes_a_service_healthy_and_says_since_when_it_has_caught_up(stores) -> None:
    await health.beat(stores.queue, "points", 0.2, {"handled": 7})
    board = await health.board(stores.queue)
    assert health.service_notice(board, "points") == "healthy"
    assert board["points"].details["handled"] == 7
    assert board["points"].caught_up_at == board["points"].beat_at


@pytest.mark.parametrize(
    ("seconds_ago", "lag_seconds", "notice"),
    [
        (0, 14, "healthy"),
        (0, 16, "late"),
        (2, 0, "healthy"),
        (4, 0, "down"),
        (4, 60, "down"),
        (-7_200, 0, "down"),  # a beat from the future says nothing of now
    ],
)
async def test_late_and_down_are_told_apart(
    stores, seconds_ago: float, lag_seconds: float, notice: str
) -> None:
    await write(stores.queue, "points", seconds_ago=seconds_ago, lag_seconds=lag_seconds)
    assert health.service_notice(await health.board(stores.queue), "points") == notice


async def test_a_dead_process_is_seen_within_five_seconds_of_its_last_beat() -> None:
    assert health.DEAD_AFTER_SECONDS + health.MEMO_SECONDS < 5
    assert health.DEAD_AFTER_SECONDS > 3 * health.BEAT_EVERY_SECONDS, "one late beat is no death"


async def test_a_process_with_work_that_finishes_none_is_late_however_small_its_lag(
    stores, monkeypatch
) -> None:
    monkeypatch.setattr(health, "MEMO_SECONDS", 0)
    await health.beat(stores.queue, "ingest", 0.2, since_progress_seconds=3.0, stuck_seconds=3.0)
    board = await health.board(stores.queue)
    assert health.service_notice(board, "ingest") == "late"
    assert 3.0 <= board["ingest"].stuck_seconds < 5.0
    assert board["ingest"].beat_at - board["ingest"].progress_at == timedelta(seconds=3)
    await health.beat(stores.queue, "ingest", 0.2, since_progress_seconds=0.1, stuck_seconds=0.1)
    assert health.service_notice(await health.board(stores.queue), "ingest") == "healthy"


@pytest.mark.parametrize("hours", [-2, 2])
async def test_a_process_whose_clock_is_hours_off_lives_while_it_beats_and_dies_when_it_does_not(
    stores, monkeypatch, hours: int
) -> None:
    class Skewed(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(hours=hours)

        @classmethod
        def fromtimestamp(cls, seconds, tz=None):
            return datetime.fromtimestamp(seconds, tz)

    monkeypatch.setattr(health, "MEMO_SECONDS", 0)
    with monkeypatch.context() as skewed:
        skewed.setattr(health, "datetime", Skewed)
        skewed.setattr(time, "time", lambda: datetime.now(UTC).timestamp() + 3600 * hours)
        await health.beat(stores.queue, "points", 0.0, stuck_seconds=1.0)
    line = (await health.board(stores.queue))["points"]
    assert line.alive
    assert abs((line.beat_at - datetime.now(UTC)).total_seconds()) < 5
    assert 1.0 <= line.stuck_seconds < 5
    monkeypatch.setattr(health, "DEAD_AFTER_SECONDS", 0.1)
    await asyncio.sleep(0.2)
    assert not (await health.board(stores.queue))["points"].alive


async def overdue_seconds(queue, config) -> float:
    return (await backlog.overdue(queue, config)).seconds


async def test_who_asks_measures_the_lag_of_ingest_himself(stores) -> None:
    await health.beat(stores.queue, "ingest", 0.0)
    health.witness("ingest", functools.partial(overdue_seconds, config=stores.config))
    due_at = time.time() - 40
    await stores.queue.zadd("lanes:schedule", {"alice.myshopify.com": due_at * 1000})
    line = (await health.board(stores.queue))["ingest"]
    assert 40 <= line.lag_seconds < 45


async def test_damaged_values_in_redis_are_those_of_one_part(stores) -> None:
    await health.beat(stores.queue, "points", 0.0)
    await stores.queue.hset(health.KEY, "core", "[nothing of ours")
    await stores.queue.set("lanes:schedule", "nothing of ours")
    health.witness("ingest", functools.partial(overdue_seconds, config=stores.config))
    board = await health.board(stores.queue)
    assert not board.is_remembered
    assert (board["points"].alive, board["core"].alive) == (True, False)


async def test_no_lane_that_is_due_is_no_lag(stores) -> None:
    assert await overdue_seconds(stores.queue, stores.config) == 0
    await stores.queue.zadd("lanes:schedule", {"alice.myshopify.com": (time.time() + 9) * 1000})
    assert await overdue_seconds(stores.queue, stores.config) == 0


async def test_a_process_that_restarts_behind_goes_on_from_what_its_predecessor_said(
    stores,
) -> None:
    await health.beat(stores.queue, "points", 0.0)
    caught_up_at = (await health.board(stores.queue))["points"].caught_up_at
    health.forget()
    await health.beat(stores.queue, "points", 40.0)
    line = (await health.board(stores.queue))["points"]
    assert (line.lag_seconds, line.caught_up_at) == (40.0, caught_up_at)


async def test_readers_within_a_second_share_one_board(stores) -> None:
    first = await asyncio.gather(*(health.board(stores.queue) for _ in range(20)))
    await health.beat(stores.queue, "core", 0.0)
    again = await health.board(stores.queue)
    assert {id(board) for board in (*first, again)} == {id(again)}


async def test_while_redis_is_away_the_last_board_is_remembered_and_says_so(
    stores, away, monkeypatch
) -> None:
    monkeypatch.setattr(health, "MEMO_SECONDS", 0)
    await health.beat(stores.queue, "points", 0.0)
    assert not (await health.board(stores.queue)).is_remembered
    remembered = await health.board(away)
    assert remembered.is_remembered
    assert remembered["points"].alive
    assert health.service_notice(remembered, "points") == "late", (
        "nobody can be up to date while the bus is away"
    )
    assert not (await health.board(stores.queue)).is_remembered


async def test_what_the_cache_missed_is_told_with_the_next_beat_and_once(
    stores, away, monkeypatch
) -> None:
    monkeypatch.setattr(health, "MEMO_SECONDS", 0)

    async def missed_at() -> datetime | None:
        return (await health.board(stores.queue)).cache_missed_at

    await health.beat(stores.queue, "points", 0.0)
    began = await missed_at()
    assert began, "whoever was there before may have died before it could say something"
    await health.beat(stores.queue, "points", 0.0)
    assert await missed_at() == began
    await cache.put_if_newer(away, [("cache:a test", 1, b"{}")])
    assert not await health.beat(away, "points", 0.0)
    assert await missed_at() == began
    before = datetime.now(UTC)
    await health.beat(stores.queue, "points", 0.0)
    told = await missed_at()
    assert told
    assert told > before - timedelta(seconds=0.1)
    await health.beat(stores.queue, "points", 0.0)
    assert await missed_at() == told


async def test_a_damaged_word_on_what_the_cache_missed_counts_as_a_miss_just_now(stores) -> None:
    for damaged in ("", "[nothing of ours", "2026-01-01T00:00:00", b"\xff"):
        health.forget()
        await stores.queue.hset(health.KEY, health.MISSED, damaged)
        board = await health.board(stores.queue)
        assert board.cache_missed_at == (board.read_at if damaged else None)


async def test_a_beat_into_the_void_is_no_error(away) -> None:
    began = time.monotonic()
    assert not await health.beat(away, "points", 0.0)
    assert time.monotonic() - began < 15


async def test_circuits_that_are_not_closed_go_with_the_beat(stores) -> None:
    circuit = health.HEALTH.breaker
    for _ in range(circuit.calls_min):
        circuit.failure("a test")
    await health.beat(stores.queue, "points", 0.0)
    said = msgspec.json.decode(await stores.queue.hget(health.KEY, "points"))
    assert said["details"]["circuits"]["health board"] == "open"
