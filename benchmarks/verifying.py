"""The verify command over everything that is kept: how long, whose CPU, how much memory; and orders
that earn beside it.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from benchmarks import cost
from tests.stack import Stack

GOAL_SECONDS, GOAL_MEGABYTES = 60, 200
TIERS_ONLY = ("--from", "qualifying:")
# how verification is at work meanwhile: as it is every day, and as whoever types it has it
BESIDE: dict[str, tuple[str, ...] | None] = {
    "alone": None,
    "beside the daily verification": ("--calm", "4", "--at-once", "1"),
    "beside make verify": (),
}


class Verified(NamedTuple):
    """One run of the command."""

    said: str
    seconds: float
    python_seconds: float  # of CPU, as those of Postgres
    postgres_seconds: float
    megabytes: float  # of Python at its peak


def verify(stack: Stack, *arguments: str) -> Verified:
    """Run the command; it must find everything in order."""
    before, began = _postgres_seconds(stack), time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "workers.verify", *arguments],
        env=stack.environment,
        cwd=stack.root,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    said = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    if process.returncode:
        raise SystemExit(said)
    time.sleep(1)  # its sessions end, and the server has their time
    return Verified(
        said.splitlines()[0],
        seconds,
        used.ru_utime + used.ru_stime,
        _postgres_seconds(stack) - before,
        used.ru_maxrss / 1024,
    )


def say(what: str, found: Verified) -> None:
    print(
        f"verify, {what}: {found.seconds:.1f} s (goal {GOAL_SECONDS}), CPU of PostgreSQL "
        f"{found.postgres_seconds:.1f} s, of Python {found.python_seconds:.1f} s, "
        f"{found.megabytes:.0f} MB at its peak (goal {GOAL_MEGABYTES})\n  {found.said}",
        flush=True,
    )


def _postgres_seconds(stack: Stack) -> float:
    return cost.cpu_seconds(stack)["postgres"]


def earning_beside(stack: Stack, count: int) -> None:
    """How fast orders earn, flat out, alone and while each of BESIDE is at work, in turns; the
    processes of the road run.
    """
    rates: dict[str, list[float]] = {what: [] for what in BESIDE}
    first_id = int(time.time()) * 10**4
    for number in range(2 * len(BESIDE)):
        what = list(BESIDE)[number % len(BESIDE)]
        with _at_work(stack, BESIDE[what]):
            found = cost.measure(stack, ("web",), count, first_id + number * count, 1_000)
        rates[what].append(found["per second"])
    alone = max(rates["alone"])
    for what, of_one in rates.items():
        print(f"orders earn {what} at {max(of_one):,.0f}/s, {alone / max(of_one):.2f}x slower")


@contextmanager
def _at_work(stack: Stack, arguments: tuple[str, ...] | None) -> Iterator[None]:
    if arguments is None:
        yield
        return
    process = subprocess.Popen(
        [sys.executable, "-m", "workers.verify", *arguments],
        env=stack.environment,
        cwd=stack.root,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield
        if process.poll() is not None:
            raise SystemExit("Verification was over before the orders were.")
    finally:
        process.terminate()
        process.wait(timeout=60)
