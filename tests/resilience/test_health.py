"""Who lives, how far each service is, and what is known while Redis is away."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from app import db
from app.resilience import health
from local import servers


@pytest.fixture
def away():
    return db.redis_client(f"redis://127.0.0.1:{servers.free_port()}/0")


async def write(redis, service: str, *, seconds_ago: float = 0, lag_seconds: float = 0) -> None:
    at = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    await redis.hset(health.KEY, service, msgspec.json.encode(health.Beat(at, lag_seconds, None)))


async def test_a_service_that_never_beat_is_down(stores) -> None:
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
    [(0, 14, "healthy"), (0, 16, "late"), (7, 0, "healthy"), (9, 0, "down"), (9, 60, "down")],
)
async def test_late_and_down_are_told_apart(
    stores, seconds_ago: float, lag_seconds: float, notice: str
) -> None:
    await write(stores.queue, "points", seconds_ago=seconds_ago, lag_seconds=lag_seconds)
    assert health.service_notice(await health.board(stores.queue), "points") == notice


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


async def test_a_beat_into_the_void_is_no_error(away) -> None:
    began = time.monotonic()
    await health.beat(away, "points", 0.0)
    assert time.monotonic() - began < 3


async def test_circuits_that_are_not_closed_go_with_the_beat(stores) -> None:
    circuit = health.HEALTH.breaker
    for _ in range(circuit.calls_min):
        circuit.failure("a test")
    await health.beat(stores.queue, "points", 0.0)
    said = msgspec.json.decode(await stores.queue.hget(health.KEY, "points"))
    assert said["details"]["circuits"]["health board"] == "open"
