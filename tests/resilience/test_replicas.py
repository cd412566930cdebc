"""Reads that may be old come from a real replica while it follows, else from the primary."""

import asyncio
import dataclasses
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from app import db, replica
from app.config import Config
from app.errors import NotFoundError
from app.replica import Replica
from app.resilience import cache, reading, replicas
from app.resilience.breaker import Breaker
from app.resilience.guard import Resource
from app.web import banners
from tests.replicas import OwnReplica
from tests.resilience.calls import resource

pytestmark = [pytest.mark.long, pytest.mark.hangs]
SHOP = "alice.myshopify.com"
NOTE = """
INSERT INTO backup_marks VALUES ('test', now(), $1)
ON CONFLICT (name) DO UPDATE SET at = now(), said = excluded.said
"""
WHO = "SELECT said || CASE WHEN pg_is_in_recovery() THEN ' by the replica' ELSE '' END"


@pytest.fixture(scope="module")
def own(config: Config) -> Iterator[OwnReplica]:
    with tempfile.TemporaryDirectory(prefix="holdfast-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        made = OwnReplica(Path(name) / "replica", config.database_url)
        yield made
        made.stop()


@pytest.fixture
async def known(
    stores: db.Stores, own: OwnReplica, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Replica]:
    """The replica as a process has it that was told DATABASE_READ_URL, with a fresh circuit."""
    own.resume()
    fresh = Resource("replica", 0.1, 16, Breaker("replica of a test", open_seconds=0.5))
    monkeypatch.setattr(replicas, "REPLICA", fresh)
    made = Replica(own.url, 5.0)
    monkeypatch.setattr(replica, "known", made)
    await say("first")
    assert await follows(made, "first")
    yield made
    await made.close()


async def say(what: str) -> None:
    async with db.connection() as connection:
        await connection.execute(NOTE, what)


async def said() -> str:
    async with db.connection() as connection:
        found: str = await connection.fetchval(f"{WHO} FROM backup_marks WHERE name = 'test'")
    return found


async def shown() -> str:
    with replicas.may_serve(is_allowed=True):
        return (await replicas.read(said))[0]


async def follows(made: Replica, what: str) -> bool:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        async with made.connection() as connection:
            if (
                await connection.fetchval("SELECT said FROM backup_marks WHERE name = 'test'")
                == what
            ):
                return True
        await asyncio.sleep(0.05)
    return False


async def on_replica(own: OwnReplica, statement: str) -> None:
    connection = await asyncpg.connect(own.url)
    await connection.execute(statement)
    await connection.close()


async def test_what_may_be_old_comes_from_the_replica_as_of_what_that_knows(known: Replica) -> None:
    with replicas.may_serve(is_allowed=True):
        found, as_of = await replicas.read(said)
    assert found == "first by the replica"
    assert as_of is not None
    assert datetime.now(UTC) - timedelta(seconds=10) < as_of <= datetime.now(UTC)
    assert await said() == "first", "whoever does not ask for it has the primary's word"
    assert (await replicas.read(said))[1] is None


async def test_nothing_can_be_written_there(known: Replica) -> None:
    with replica.reading_from(known), pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await say("changed")


async def test_a_page_of_the_replica_says_as_of_when_it_is(
    known: Replica, stores: db.Stores
) -> None:
    with replicas.may_serve(is_allowed=True):
        found = await cache.read_through(
            stores.cache,
            "cache:page:x",
            said,
            resource(deadline_seconds=1.0),
            fresh_seconds=0,
            may_be_old=True,
        )
    assert (found.value, found.is_live) == ("first by the replica", True)
    old = reading.live("x", datetime.now(UTC) - timedelta(seconds=4))
    board = dataclasses.make_dataclass("Board", [])
    board.is_remembered = True
    (banner, _) = banners.above(board, "UTC", [found, old])
    assert (banner.tone, banner.heading[:13]) == ("info", "Figures as of")


async def test_one_that_lags_too_far_is_not_asked_and_follows_again(
    known: Replica, own: OwnReplica
) -> None:
    known.behind_seconds_max = 2.0
    await on_replica(own, "SELECT pg_wal_replay_pause()")
    try:
        await say("second")
        assert await shown() == "first by the replica", "two seconds old is not too old"
        await asyncio.sleep(2.1)
        assert await shown() == "second", "the primary's word"
    finally:
        await on_replica(own, "SELECT pg_wal_replay_resume()")
    await say("third")
    assert await follows(known, "third")
    assert await shown() == "third by the replica"


async def test_one_that_stands_still_costs_a_page_a_tenth_of_a_second_and_soon_nothing(
    known: Replica, own: OwnReplica
) -> None:
    assert await shown() == "first by the replica"
    own.pause()
    took = []
    for _ in range(30):
        began = time.monotonic()
        assert await shown() == "first"
        took.append(time.monotonic() - began)
    print(f"\nreplica paused: {max(took) * 1000:.0f} ms at most, last {took[-1] * 1000:.1f} ms")
    assert max(took) < 1.0, "usually a tenth of that"
    assert sorted(took)[10] < 0.1, "most are not even sent there: its circuit is open"
    own.resume()
    await say("second")
    await _served_again("second")


async def test_one_that_is_gone_costs_nothing_and_serves_again_when_it_is_back(
    known: Replica, own: OwnReplica
) -> None:
    own.stop(kill=True)
    for _ in range(15):
        assert await shown() == "first"
    own.start()
    await say("second")
    await _served_again("second")


async def _served_again(what: str) -> None:
    until = time.monotonic() + 30
    while await shown() != f"{what} by the replica":
        assert time.monotonic() < until
        await say(what)  # as the beat of the log does each second
        await asyncio.sleep(0.2)


async def test_what_the_replica_does_not_know_is_asked_of_the_primary(known: Replica) -> None:
    async def customer() -> str:
        if replica.lent() is not None:
            raise NotFoundError("No such customer.")
        return "Bob, who has just come"

    with replicas.may_serve(is_allowed=True):
        assert await replicas.read(customer) == ("Bob, who has just come", None)


async def test_whoever_changed_something_sees_it_and_others_may_wait(
    known: Replica, stores: db.Stores
) -> None:
    async def visit(shop: str, *, is_change: bool = False) -> str:
        async with replicas.visited(stores.cache, shop, is_change=is_change):
            return (await replicas.read(said))[0]

    assert await visit(SHOP) == "first by the replica"
    assert await visit(SHOP, is_change=True) == "first", "a change reads what it changes"
    assert await visit(SHOP) == "first", "and so does the next page, in any process"
    assert await visit("charlie.myshopify.com") == "first by the replica"
    assert 5_000 < await stores.cache.pttl(f"cache:changed:{SHOP}") <= 6_000


async def test_a_replica_that_was_promoted_is_as_new_as_can_be(config: Config) -> None:
    promoted = Replica(config.database_url, 5.0)
    assert await promoted.behind_seconds() == 0.0
    await promoted.close()
