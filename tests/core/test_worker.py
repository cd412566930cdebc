"""The core and relay processes: what they do together, how they say that they live, and how
promptly they end.
"""

import asyncio
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app import db
from app.core.models import Shop
from app.flow import event as envelope
from app.flow import verified
from app.resilience import health
from tests.flow.helpers import emit, until
from tests.points import world
from tests.workers.started import Processes, said, started

ALICE = "alice.myshopify.com"


@pytest.fixture
async def member(stores: db.Stores) -> None:
    """There is something to verify: where there is nothing, no verification is noted."""
    await world.program()
    await world.handle(world.paid("5001", world.line("60.00")))


@pytest.fixture
def processes(stores: db.Stores, tmp_path: Path) -> Iterator[Processes]:
    with started(tmp_path, "relay", "core") as running:
        yield running


async def uninstall() -> None:
    await emit(
        envelope.new(
            "app.uninstalled",
            ALICE,
            ALICE,
            {},
            trace="1",
            occurred_at=datetime.now(UTC).isoformat(),
        )
    )


async def has_left() -> bool:
    return await Shop.exists(domain=ALICE, status="uninstalled", access_token=None)


async def test_an_uninstall_goes_from_the_log_to_the_shop(
    stores: db.Stores, processes: Processes, tmp_path: Path
) -> None:
    await Shop.create(domain=ALICE, access_token=b"a")
    await uninstall()
    assert await until(has_left), said(tmp_path)

    async def both_beat() -> bool:
        health.forget()
        board = await health.board(stores.queue)
        return board["relay"].alive and board["core"].alive and board["core"].lag_seconds < 1

    assert await until(both_beat)
    asked_at = time.monotonic()
    for process in processes.values():
        process.send_signal(signal.SIGTERM)
    codes = [await asyncio.to_thread(process.wait, 30) for process in processes.values()]
    assert codes == [0, 0], said(tmp_path)
    assert time.monotonic() - asked_at < 10, "usually half a second"


async def test_the_relay_verifies_when_nobody_has_for_a_day(
    stores: db.Stores, member: None, processes: Processes, tmp_path: Path
) -> None:
    async def is_verified() -> bool:
        return await verified.last(stores.queue) is not None

    assert await until(is_verified), said(tmp_path)
