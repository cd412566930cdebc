"""Fresh for 30 s, kept for 7 days, and what is left when the cache or the source or both are
away.
"""

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
import redis.asyncio as aioredis

from app import db
from app.errors import NotFoundError
from app.resilience import cache
from app.resilience.breaker import Breaker
from app.resilience.guard import Resource
from app.resilience.memory import Memory
from local import servers

KEY = "cache:points:balance:alice.myshopify.com:1"


class Balance(msgspec.Struct, frozen=True):
    available: int
    sequence: int


class Source:
    """Stands for the database: what it answers, whether it answers, and how often it was asked."""

    def __init__(self, available: int = 10, sequence: int = 1) -> None:
        self.balance = Balance(available, sequence)
        self.error: Exception | None = None
        self.asked = 0
        self.was_asked = asyncio.Event()

    async def load(self) -> Balance:
        self.asked += 1
        self.was_asked.set()
        await asyncio.sleep(0.01)
        if self.error:
            raise self.error
        return self.balance


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def points() -> Resource:
    return Resource("a test", 0.3, 16, Breaker("a test", calls_min=100))


@pytest.fixture
def away() -> aioredis.Redis:
    return db.redis_client(f"redis://127.0.0.1:{servers.free_port()}/0")


async def read(redis: aioredis.Redis, source: Source, points: Resource, key: str = KEY):
    return await cache.read_through(
        redis,
        key,
        source.load,
        points,
        decode=msgspec.json.Decoder(Balance).decode,
        sequence=lambda balance: balance.sequence,
    )


async def grow_old(redis: aioredis.Redis, seconds: int) -> None:
    at = datetime.now(UTC) - timedelta(seconds=seconds)
    sequence, _, payload = (await redis.get(KEY)).split(b" ", 2)
    await redis.set(
        KEY, b"%b %d %b" % (sequence, int(at.timestamp() * 1000), payload), keepttl=True
    )


async def test_the_first_read_loads_and_the_next_is_served_from_the_cache(
    stores, source, points
) -> None:
    first, second = (
        await read(stores.cache, source, points),
        await read(stores.cache, source, points),
    )
    assert (first.value, first.source) == (Balance(10, 1), "live")
    assert (second.value, second.source) == (Balance(10, 1), "live")
    assert source.asked == 1
    assert abs((first.as_of - second.as_of).total_seconds()) < 0.002
    assert 6 * 86_400 < await stores.cache.ttl(KEY) <= 7 * 86_400


async def test_after_thirty_seconds_it_is_loaded_again(stores, source, points) -> None:
    await read(stores.cache, source, points)
    await grow_old(stores.cache, 31)
    source.balance = Balance(25, 2)
    assert (await read(stores.cache, source, points)).value == Balance(25, 2)
    assert source.asked == 2


async def test_a_load_that_fails_shows_the_kept_value_with_its_age(stores, source, points) -> None:
    await read(stores.cache, source, points)
    await grow_old(stores.cache, 3600)
    cache.forget()
    source.error = ConnectionError("gone")
    found = await read(stores.cache, source, points)
    assert (found.value, found.source) == (Balance(10, 1), "cached")
    assert 3599 < (datetime.now(UTC) - found.as_of).total_seconds() < 3610


async def test_nothing_kept_and_nothing_loaded_is_unavailable(stores, source, points) -> None:
    source.error = ConnectionError("gone")
    found = await read(stores.cache, source, points)
    assert (found.value, found.as_of, found.source) == (None, None, "unavailable")


async def test_no_such_customer_is_an_answer_and_is_raised(stores, source, points) -> None:
    source.error = NotFoundError("No such customer.")
    with pytest.raises(NotFoundError):
        await read(stores.cache, source, points)


async def test_without_the_cache_the_value_is_loaded_directly(stores, source, points, away) -> None:
    found = await read(away, source, points)
    assert (found.value, found.source) == (Balance(10, 1), "live")


async def test_without_cache_and_source_the_last_value_of_this_process_is_shown(
    stores, source, points, away
) -> None:
    await read(away, source, points)
    source.error = ConnectionError("gone")
    found = await read(away, source, points)
    assert (found.value, found.source) == (Balance(10, 1), "cached")
    stranger = await read(away, source, points, key=KEY + "2")
    assert stranger.source == "unavailable"


async def test_memory_is_bounded(stores, source, points, away, monkeypatch) -> None:
    monkeypatch.setattr(cache, "_memory", Memory(3))
    for number in range(10):
        await read(away, source, points, key=f"{KEY}{number}")
    source.error = ConnectionError("gone")
    found = [await read(away, source, points, key=f"{KEY}{number}") for number in range(10)]
    assert [one.source for one in found] == ["unavailable"] * 7 + ["cached"] * 3


async def test_readers_of_the_same_key_share_one_load(stores, source, points) -> None:
    found = await asyncio.gather(*(read(stores.cache, source, points) for _ in range(50)))
    assert {reading.value for reading in found} == {Balance(10, 1)}
    assert source.asked == 1


async def test_a_reader_who_leaves_does_not_take_the_load_from_the_others(
    stores, source, points
) -> None:
    leaving = asyncio.create_task(read(stores.cache, source, points))
    staying = asyncio.create_task(read(stores.cache, source, points))
    await source.was_asked.wait()
    leaving.cancel()
    assert (await staying).value == Balance(10, 1)


async def test_the_newer_sequence_stays_whoever_writes_last(stores, source, points) -> None:
    await cache.put_if_newer(stores.cache, [(KEY, 7, msgspec.json.encode(Balance(70, 7)))])
    await cache.put_if_newer(stores.cache, [(KEY, 6, msgspec.json.encode(Balance(60, 6)))])
    assert (await read(stores.cache, source, points)).value == Balance(70, 7)


async def test_a_page_that_loaded_before_a_commit_does_not_overwrite_what_the_worker_wrote(
    stores, points
) -> None:
    old = Source(10, sequence=1)
    reading = asyncio.create_task(read(stores.cache, old, points))
    await old.was_asked.wait()
    await cache.put_if_newer(stores.cache, [(KEY, 2, msgspec.json.encode(Balance(20, 2)))])
    await reading
    assert (await read(stores.cache, old, points)).value == Balance(20, 2)


async def test_hundreds_of_entries_are_written_at_once(stores) -> None:
    items = [
        (f"{KEY}:{number}", number, msgspec.json.encode(Balance(number, number)))
        for number in range(600)
    ]
    await cache.put_if_newer(stores.cache, items)
    assert len(await stores.cache.keys(f"{KEY}:*")) == 600
    sequence, _, payload = (await stores.cache.get(f"{KEY}:599")).split(b" ", 2)
    assert sequence == b"599"
    assert msgspec.json.decode(payload) == {"available": 599, "sequence": 599}


async def test_writing_to_a_cache_that_is_away_is_no_error(stores, away) -> None:
    await cache.put_if_newer(away, [(KEY, 1, b"{}")])


async def test_the_shape_of_an_older_version_is_loaded_again(stores, source, points) -> None:
    await cache.put_if_newer(stores.cache, [(KEY, 0, b'{"points": 3}')])
    assert (await read(stores.cache, source, points)).value == Balance(10, 1)


async def test_an_entry_of_another_type_or_damaged_is_nothing_and_is_written_over(
    stores, source, points
) -> None:
    client = stores.cache
    await client.hset(KEY, mapping={"s": "9", "t": "1", "p": b"{}"})  # as the last release did
    assert (await read(client, source, points)).value == Balance(10, 1)
    assert await client.type(KEY) == b"string"
    for damaged in (b"", b"9", b"9 x {}", b"99999999 99999999999999999999 {}", b"\xff\x00", b"{}"):
        await client.set(KEY, damaged)
        assert (await read(client, source, points)).value == Balance(10, 1), damaged
        assert (await client.get(KEY)).startswith(b"1 "), damaged


async def test_a_cached_balance_takes_half_the_memory_it_took_as_a_hash(stores) -> None:
    payload = b'{"available":120,"pending":30,"held":0,"debt":0,"sequence":17,"as_of":"2026-01-01"}'
    await stores.cache.hset("old", mapping={"s": "17", "t": "1767225600000", "p": payload})
    await cache.put_if_newer(stores.cache, [("new", 17, payload)])
    old = await stores.cache.memory_usage("old")
    new = await stores.cache.memory_usage("new")
    assert new <= old * 0.75, (old, new)
