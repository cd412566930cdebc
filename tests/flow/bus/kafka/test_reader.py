"""What a reader of Kafka keeps until it is written down, when it is believed, and how it ends."""

import asyncio
import subprocess
import sys
import time
from datetime import date

import pytest

from app import db
from app.config import ROOT
from app.flow import dead_letters
from app.flow.bus.interface import Place
from app.flow.bus.kafka import messages
from app.flow.bus.kafka import reader as reading
from app.flow.bus.kafka.address import parse
from app.flow.bus.kafka.messages import Message
from app.flow.bus.kafka.reader import Reader
from app.flow.event import BadSignatureError
from tests.flow.helpers import letters


class Forged:
    """A message as Kafka's client hands it over, which nobody of ours has sealed."""

    def topic(self) -> str:
        return "facts"

    def partition(self) -> int:
        return 3

    def offset(self) -> int:
        return 7

    def value(self) -> bytes:
        return b"forged"

    def headers(self) -> list[tuple[str, bytes]]:
        return []


async def test_a_forged_message_waits_until_it_is_a_letter(
    stores: db.Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Reader(parse("kafka://one"), "points", "1", stores.config.event_secrets)
    reader.forged.append((BadSignatureError("Nobody sealed it."), Forged()))

    async def refused(*_: object, **__: object) -> bool:
        raise ConnectionError("Postgres is away")

    with monkeypatch.context() as away:
        away.setattr(dead_letters, "add", refused)
        with pytest.raises(ConnectionError):
            await reader.set_forged_aside()
    await reader.set_forged_aside()
    assert reader.forged == []
    assert [one["reference"] for one in await letters()] == ["facts 3@7"]


class World:
    """A service that reads the log of one partition, and Kafka that brings it some entries later;
    all facts are old, for the service is an hour behind.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.place = 1_000.0, 0
        self.reader = Reader(parse("kafka://one"), "points", "1", ())
        monkeypatch.setattr(messages, "read", lambda found, _: found)
        monkeypatch.setattr(reading.time, "monotonic", lambda: self.now)

    def stands(self) -> Place:
        return Place(0, self.place, 1, date(2026, 11, 27))

    def brings(self, tx: int) -> None:
        place = self.stands()._replace(tx=tx)
        hour_ago = int(time.time()) - 3_600
        after = (tx - 1, 1)
        self.reader._take(
            Came(place, after, "", frozenset(), 1, "", hour_ago, "", b"", tx),
        )

    def second(self, kafka_is_behind: int) -> None:
        """The service goes on by the log; Kafka brings what is so many entries before that."""
        self.now += 1
        self.place += 1
        self.reader.drop_passed(self.stands())
        assert not self.reader.following(self.stands(), 10)
        if self.place > kafka_is_behind:
            self.brings(self.place - kafka_is_behind)


class Came(Message):
    def error(self) -> None:
        return None


@pytest.mark.parametrize("behind", [1, 2])
def test_a_service_returns_once_kafka_is_where_it_was_however_old_that_is(
    monkeypatch: pytest.MonkeyPatch, behind: int
) -> None:
    world = World(monkeypatch)
    for _ in range(5):
        world.second(behind)
    world.reader.brings_nothing(0)
    for _ in range(20):
        world.second(kafka_is_behind=1_000)
    assert world.reader.away, "what it lacks is read from the log"
    for at in range(6 - behind, 20):
        world.brings(at)
    assert world.reader.away, "all it has brought by now was passed long before"
    for at in range(20, 26 - behind):
        world.brings(at)
    for _ in range(4):
        world.second(behind)
    assert not world.reader.away


def test_what_kafka_brings_later_than_anybody_waits_for_is_read_from_the_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch)
    world.reader.brings_nothing(0)
    for _ in range(60):
        world.second(kafka_is_behind=5)
    assert world.reader.away


def test_a_service_that_has_read_all_returns_with_the_last_that_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch)
    world.reader.brings_nothing(0)
    world.place = 3
    for tx in (1, 2, 3):
        assert world.reader.following(world.stands(), 10) == []
        assert world.reader.away
        world.now += 60
        world.brings(tx)
    world.reader.drop_passed(world.stands())
    assert world.reader.following(world.stands(), 10) == []
    assert not world.reader.away


class Silent:
    """Kafka's client: the first two never hear anything again, as after a broker that had only just
    started; all that are made later do.
    """

    made = 0

    def __init__(self, _: dict[str, object]) -> None:
        Silent.made += 1
        self.number = Silent.made

    def subscribe(self, _: list[str]) -> None:
        pass

    def poll(self, _: float) -> object:
        time.sleep(0.01)
        return Came(
            Place(0, 9, 1, date(2026, 11, 27)), (8, 1), "", frozenset(), 1, "", 0, "", b"", 9
        )

    def consume(self, *_: object, **__: object) -> list[object]:
        return []

    def close(self) -> None:
        pass


async def test_a_client_that_stays_silent_is_replaced_while_the_log_has_something(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard = Silent.poll
    monkeypatch.setattr(Silent, "made", 0)
    monkeypatch.setattr(
        Silent, "poll", lambda self, seconds: heard(self, seconds) if self.number > 2 else None
    )
    monkeypatch.setattr(messages, "read", lambda found, _: found)
    monkeypatch.setattr(reading, "Consumer", Silent)
    monkeypatch.setattr(reading, "SILENT_SECONDS", 0.05)
    reader = Reader(parse("kafka://one"), "points", "1", ())
    task = asyncio.create_task(reader.run())
    await asyncio.sleep(0.2)
    assert Silent.made == 1, "nothing is missing, so nobody is missed"
    reader.brings_nothing(0)
    came = asyncio.Event()
    reader.arrived = came.set
    await asyncio.wait_for(came.wait(), 30)
    assert (Silent.made, reader.patience_seconds) == (3, 0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


LEAVES = """
import asyncio, time
from app.flow.bus.kafka import reader
from app.flow.bus.kafka.address import parse

class Deaf:
    def __init__(self, settings): pass
    def subscribe(self, topics): pass
    def poll(self, timeout): time.sleep(0.01)
    def close(self): time.sleep(120)

async def main():
    reader.Consumer, reader.CLOSE_SECONDS = Deaf, 0.2
    task = asyncio.create_task(reader.Reader(parse("kafka://one"), "points", "1", ()).run())
    await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

asyncio.run(main())
"""


def test_a_broker_that_does_not_answer_keeps_no_process_from_ending() -> None:
    done = subprocess.run([sys.executable, "-c", LEAVES], cwd=ROOT, timeout=60)
    assert done.returncode == 0
