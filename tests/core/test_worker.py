"""The core and relay processes: what they do together, how they say that they live, and how promptly they end."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app import db
from app.core.models import Shop
from app.flow import event as envelope
from app.resilience import health
from tests.flow.helpers import emit, until

ALICE = "alice.myshopify.com"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def processes(stores: db.Stores, tmp_path: Path) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    started = {}
    for name in ("relay", "core"):
        with (tmp_path / f"{name}.log").open("wb") as log:
            command = [sys.executable, "-m", f"workers.{name}"]
            started[name] = subprocess.Popen(command, cwd=ROOT, env=os.environ, stdout=log, stderr=log)
    yield started
    for process in started.values():
        process.kill()
        process.wait(5)


def said(directory: Path) -> str:
    return "\n".join(path.read_text() for path in directory.iterdir())


async def uninstall() -> None:
    await emit(envelope.new("app.uninstalled", ALICE, ALICE, {}, trace="1", occurred_at=datetime.now(UTC).isoformat()))


async def has_left() -> bool:
    return await Shop.exists(domain=ALICE, status="uninstalled", access_token=None)


async def test_an_uninstall_goes_from_the_outbox_to_the_shop_through_two_processes(
    stores: db.Stores, processes: dict[str, subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    await Shop.create(domain=ALICE, access_token=b"a")
    await uninstall()
    assert await until(has_left, 10), said(tmp_path)

    async def both_beat() -> bool:
        health.forget()
        board = await health.board(stores.queue)
        return board["relay"].alive and board["core"].alive and board["core"].lag_seconds < 1

    assert await until(both_beat, 5)
    asked_at = time.monotonic()
    for process in processes.values():
        process.send_signal(signal.SIGTERM)
    codes = [await asyncio.to_thread(process.wait, 10) for process in processes.values()]
    assert codes == [0, 0], said(tmp_path)
    assert time.monotonic() - asked_at < 5
