"""Programs of the stack with something wrong in them, and one that writes into its log."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import ROOT
from tests.stack import SHOP, Stack

# paid orders into the log of the stack, some of them poison: their lines are none
EMIT = """
import asyncio, sys
from app import config, db
from app.flow import event
from app.flow.bus import log

def one(shop, customer, number, poison):
    lines = "none" if poison else [{"line_id": "1", "quantity": 1, "amount": "1.00"}]
    name = "deadly" if poison == "deadly" else "plain"
    data = {"order_id": str(number), "order_name": name, "currency": "USD", "lines": lines,
            "customer_id": customer}
    if poison == "deadly":
        data["lines"] = [{"line_id": "1", "quantity": 1, "amount": "1.00"}]
    return event.new("order.paid", shop, shop, data, trace=f"emitted-{number}")

async def main(shop, customer, first, count, every, poison):
    settings = config.load()
    event.use_secrets(settings.event_secrets)
    events = [
        one(shop, customer, int(first) + n, n % int(every) == 7 and poison)
        for n in range(int(count))
    ]
    async with db.open_stores(settings):
        async with db.transaction() as connection:
            await log.append(connection, events)

asyncio.run(main(*sys.argv[1:]))
"""
# a process that has this in front of its modules dies of an order named so
DEADLY = """
import os
from app.points import handlers

made = handlers.handler

def handler(stores=None):
    handle = made(stores)

    async def dying(connection, events):
        if any(b'"deadly"' in bytes(event.data) for event in events):
            os._exit(9)
        return await handle(connection, events)

    return dying

handlers.handler = handler
"""
# a clock that is wrong by as many seconds as the file says, from one moment to the next
WRONG_CLOCK = """
import ctypes, datetime, gc, time

FILE = {file!r}
real_time, real_ns, real_now = time.time, time.time_ns, datetime.datetime.now

def shift():
    try:
        with open(FILE) as said:
            return int(said.read() or 0)
    except OSError:
        return 0

time.time = lambda: real_time() + shift()
time.time_ns = lambda: real_ns() + shift() * 1_000_000_000
inside = gc.get_referents(datetime.datetime.__dict__)[0]
inside["now"] = classmethod(lambda cls, tz=None: real_now(tz) + datetime.timedelta(seconds=shift()))
ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime.datetime))
"""


@contextmanager
def customised(stack: Stack, name: str, directory: Path, code: str) -> Iterator[None]:
    """The process `name` started anew with this code in front of its own; as it was afterwards."""
    (directory / "sitecustomize.py").write_text(code)
    stack.environment["PYTHONPATH"] = f"{directory}{os.pathsep}{ROOT}"
    stack.stop(name)
    stack.start(name)
    try:
        yield
    finally:
        del stack.environment["PYTHONPATH"]
        stack.kill(name)
        stack.start(name)


def emit(stack: Stack, customer_id: str, count: int, every: int, poison: str) -> int:
    """Write `count` paid orders of a point each, one of `every` poison; the first order's id."""
    first = time.time_ns() // 1000
    arguments = [SHOP, customer_id, str(first), str(count), str(every), poison]
    done = subprocess.run(
        [sys.executable, "-c", EMIT, *arguments],
        cwd=ROOT,
        env=stack.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return first


def pids(stack: Stack) -> dict[str, int]:
    return {name: process.pid for name, process in stack.running.items() if process.poll() is None}
