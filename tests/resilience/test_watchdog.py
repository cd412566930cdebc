"""Who is stuck is ended, who is only paused or waits for a store is not."""

import subprocess
import sys
import time

import pytest

from app.resilience import watchdog
from app.resilience.progress import Progress
from app.resilience.watchdog import Watchdog
from tests.conftest import ROOT
from tests.resilience.test_progress import Clock

SETUP = """
import asyncio, time
from app import config
from app.resilience import watchdog
from app.resilience.progress import Progress
from app.telemetry import logs
logs.setup("ingest", config.load())
watchdog.STUCK_SECONDS_MAX, watchdog.LOOK_EVERY_SECONDS = 1.0, 0.1
"""


class Watched:
    """A watchdog on a clock of its own, that tells instead of ending the process."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.progress = Progress(self.clock)
        self.ended: list[str] = []
        self.dog = Watchdog(self.progress, self.clock, lambda why, _: self.ended.append(why))

    def second(self, lag_seconds: float | None, *, does_the_loop_answer: bool = True) -> None:
        self.clock.passes(1)
        if lag_seconds is None:
            self.progress.unknown()
        else:
            self.progress.lag(lag_seconds)
        if does_the_loop_answer:
            self.dog.loop_answers()
        self.dog.look()


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_a_process_that_finishes_nothing_for_a_minute_is_ended(watched: Watched) -> None:
    for second in range(59):
        watched.second(float(second + 1))
    assert watched.ended == []
    watched.second(60.0)
    watched.second(61.0)
    assert watched.ended[0] == "it has work and finishes none"


def test_a_process_without_work_lives_for_ever(watched: Watched) -> None:
    for _ in range(1_000):
        watched.second(0.0)
    assert watched.ended == []


def test_a_process_whose_store_is_away_waits_for_it(watched: Watched) -> None:
    watched.second(1.0)
    for _ in range(1_000):
        watched.second(None)
    assert watched.ended == []


def test_a_loop_that_stands_still_is_ended_with_or_without_work(watched: Watched) -> None:
    for _ in range(62):
        watched.second(0.0, does_the_loop_answer=False)
    assert watched.ended[0] == "its event loop stands still"


def test_a_process_that_was_paused_gets_its_whole_time_again(watched: Watched) -> None:
    watched.second(1.0)
    watched.clock.passes(600)  # SIGSTOP, or the lid of a laptop
    watched.dog.look()
    for second in range(50):
        watched.second(600.0 + second)
    assert watched.ended == []
    for second in range(20):
        watched.second(650.0 + second)
    assert watched.ended[0] == "it has work and finishes none"


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SETUP + program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_task_that_never_yields_ends_its_process_and_the_log_says_where(embedded) -> None:
    done = run(
        "def never_yields():\n"
        "    while True: time.sleep(0.01)\n"
        "async def main():\n"
        "    with watchdog.watching():\n"
        "        never_yields()\n"
        "asyncio.run(main())\n"
    )
    assert done.returncode == watchdog.EXIT_CODE, done.stderr
    assert "its event loop stands still" in done.stdout
    assert "never_yields" in done.stdout


def test_a_process_that_is_stuck_ends_although_its_loop_answers(embedded) -> None:
    done = run(
        "async def main():\n"
        "    progress = Progress()\n"
        "    with watchdog.watching(progress):\n"
        "        for second in range(1_000):\n"
        "            progress.lag(1 + second / 20)\n"
        "            await asyncio.sleep(0.05)\n"
        "asyncio.run(main())\n"
    )
    assert done.returncode == watchdog.EXIT_CODE, done.stderr
    assert "it has work and finishes none" in done.stdout


def test_a_process_that_gets_on_ends_when_it_wants_to(embedded) -> None:
    began = time.monotonic()
    done = run(
        "async def main():\n"
        "    progress = Progress()\n"
        "    with watchdog.watching(progress):\n"
        "        for second in range(40):\n"
        "            progress.lag(1 + second / 20)\n"
        "            progress.made()\n"
        "            await asyncio.sleep(0.05)\n"
        "asyncio.run(main())\n"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert time.monotonic() - began < 20
