"""Waiting for what another process does, with a deadline."""

import time
from collections.abc import Callable


def wait_for(
    what: str, ready: Callable[[], bool], seconds: float, detail: Callable[[], str] = str
) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s {detail()}"
        time.sleep(0.05)


def seconds_until(what: str, ready: Callable[[], bool], seconds: float) -> float:
    """How long it took; it must not take longer than `seconds`."""
    began = time.monotonic()
    wait_for(what, ready, seconds)
    return time.monotonic() - began
