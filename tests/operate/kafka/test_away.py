"""The whole house while Kafka is away for a while: everything works, and Kafka catches up in order.

Ten seconds by default; KAFKA_AWAY_SECONDS=600 is the long form.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.flow.bus.kafka.address import parse
from tests import template
from tests.operate.kafka.stack import KafkaStack
from tests.operate.kafka.strangers import everything
from tests.operate.parts import needed
from tests.proofs.test_recovery import have_effects, orders_coming_in
from tests.stack import SHOP

pytestmark = [pytest.mark.operate, pytest.mark.long]
AWAY_SECONDS = float(os.environ.get("KAFKA_AWAY_SECONDS", "10"))
EFFECT_SECONDS_MAX = 12.0  # the first three are how long a service waits for Kafka
CAUGHT_UP_SECONDS = 60.0


@pytest.fixture
def stack() -> Iterator[KafkaStack]:
    needed("java", "mvn")
    with (
        template.folder(),
        tempfile.TemporaryDirectory(prefix="holdfast-kafka-", ignore_cleanup_errors=True) as name,
    ):
        Path(name).chmod(0o755)
        made = KafkaStack(Path(name), LANE_RATE_PER_SECOND="10000", LANE_BURST="10000")
        try:
            made.start_everything()
            made.install(SHOP)
            yield made
        finally:
            made.stop_everything()


async def seconds_to_effects(stack: KafkaStack, acknowledged: set[str]) -> float:
    began = time.monotonic()
    while not await have_effects(stack, acknowledged):
        assert time.monotonic() - began < 4 * EFFECT_SECONDS_MAX, "effects are missing"
        await asyncio.sleep(0.05)
    return time.monotonic() - began


async def log_of(stack: KafkaStack) -> dict[int, list[tuple[int, int]]]:
    """The positions of the log, in its order, by partition."""
    connection: Any = await asyncpg.connect(stack.environment["DATABASE_URL"])
    try:
        rows = await connection.fetch("SELECT part, tx, id FROM facts ORDER BY part, tx, id")
    finally:
        await connection.close()
    found: dict[int, list[tuple[int, int]]] = {}
    for row in rows:
        found.setdefault(row["part"], []).append((row["tx"], row["id"]))
    return found


def copied(stack: KafkaStack, count: int) -> dict[int, list[tuple[int, int]]]:
    """The positions in Kafka, without repeats, in its order, by partition."""
    found: dict[int, list[tuple[int, int]]] = {}
    for message in everything(parse(stack.environment["BUS_URL"]), count):
        part, tx, number, _ = dict(message.headers())["position"].decode().split(" ")
        found.setdefault(int(part), []).append((int(tx), int(number)))
    return {part: list(dict.fromkeys(positions)) for part, positions in found.items()}


def told(stack: KafkaStack) -> str:
    """What relay and points say at the end."""
    logs = [(stack.directory / f"{name}.log").read_text()[-1_500:] for name in ("relay", "points")]
    return "\n".join((f"nobody reads Kafka again: {stack.read_from()}", *logs))


async def seconds_to_kafka(stack: KafkaStack, during: Mapping[str, float], seconds: float) -> float:
    """Until points reads from Kafka again, by how much it had read when that was back."""
    began = time.monotonic()
    while stack.read_from()["kafka"] < during["kafka"] + 20:
        assert time.monotonic() - began < seconds, told(stack)
        await asyncio.sleep(0.2)
    return time.monotonic() - began


async def all_in_kafka(stack: KafkaStack) -> int:
    """How many entries the log has; Kafka has them all, in the log's order."""
    log = await log_of(stack)
    count = sum(map(len, log.values()))
    # what points tells of the last orders may be copied meanwhile
    in_kafka = await asyncio.wait_for(asyncio.to_thread(copied, stack, count), 60)
    assert {part: in_kafka[part][: len(positions)] for part, positions in log.items()} == log
    return count


@pytest.mark.parametrize("how", ["killed", "frozen"])
async def test_kafka_away_under_load_holds_nothing_up_and_it_catches_up_in_order(
    stack: KafkaStack, how: str
) -> None:
    slowest = 0.0
    async with orders_coming_in(stack) as acknowledged:
        await asyncio.sleep(3)
        await seconds_to_effects(stack, acknowledged())
        before = stack.read_from()
        assert before["kafka"] > before["log"], before
        await asyncio.to_thread(stack.kill if how == "killed" else stack.pause, "kafka")
        ends = time.monotonic() + AWAY_SECONDS
        while time.monotonic() < ends:
            slowest = max(slowest, await seconds_to_effects(stack, acknowledged()))
            await asyncio.sleep(0.5)
        during = stack.read_from()
        await asyncio.to_thread(stack.start if how == "killed" else stack.resume, "kafka")
        back_seconds = await seconds_to_kafka(stack, during, CAUGHT_UP_SECONDS)
        last = acknowledged()
    await seconds_to_effects(stack, last)
    count = await all_in_kafka(stack)
    print(
        f"\nKafka {how} for {AWAY_SECONDS:.0f} s under {len(last)} orders: slowest effect "
        f"{slowest:.1f} s, read from Kafka again {back_seconds:.1f} s after it was back; "
        f"{count} entries in Kafka, all, in the log's order; read {stack.read_from()}"
    )
    assert slowest < EFFECT_SECONDS_MAX
    print(stack.verify())
