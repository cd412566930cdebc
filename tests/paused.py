"""A real server stopped in the middle with SIGSTOP: its port is open, and nobody answers."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psutil


@contextmanager
def paused(port: int) -> Iterator[None]:
    """Every process of the server of ours that listens on `port` stands still."""
    listening = next(
        process
        for process in psutil.Process().children(recursive=True)
        if any(c.status == "LISTEN" and c.laddr.port == port for c in process.net_connections())
    )
    family = [listening, *listening.children(recursive=True)]
    for process in family:
        os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in family:
            os.kill(process.pid, signal.SIGCONT)
