"""Redis on a disk that fills up: webhooks go to Postgres meanwhile, and it is back by itself."""

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from tests import template
from tests.faults import disks
from tests.faults.redises import OwnRedis, append_only
from tests.faults.test_put_back import fetch
from tests.stack import SHOP, Stack
from tests.waiting import seconds_until, wait_for

pytestmark = pytest.mark.long
SIZE_MEGABYTES, SECONDS = 24, 120
ORDERS = 10


@contextmanager
def on_a_small_disk(name: str, **settings: str) -> Iterator[Stack]:
    """A stack of which the folder `name` is on a disk that is soon full; Bob has 100 points."""
    with (
        template.folder(),
        tempfile.TemporaryDirectory(prefix="holdfast-stack-", ignore_cleanup_errors=True) as path,
        disks.small_disk(Path(path) / name, SIZE_MEGABYTES),
    ):
        Path(path).chmod(0o755)
        stack = Stack(Path(path), **settings)
        try:
            yield stack
        finally:
            stack.stop_everything()


def begin(stack: Stack) -> str:
    stack.start_everything()
    stack.install()
    bob = stack.customer("Bob")
    stack.order(bob, "100.00")
    stack.wait_for_points(bob, 100)
    return bob


@contextmanager
def supervised(stack: Stack, name: str) -> Iterator[list[float]]:
    """Started again whenever it has ended, a second later; when that was."""
    ended = threading.Event()
    starts: list[float] = []

    def watch() -> None:
        while not ended.wait(1.0):
            if stack.running[name].poll() is not None:
                starts.append(time.monotonic())
                stack._spawn(name)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield starts
    finally:
        ended.set()
        thread.join()


def states(stack: Stack) -> list[tuple[str, int]]:
    found = stack.control("GET", "deliveries?topic=orders/paid")
    return [(one["state"], len(one["tries"])) for one in found]


def in_postgres(stack: Stack) -> int:
    (row,) = fetch(stack, "SELECT count(*) AS n FROM spilled_webhooks WHERE moved_at IS NULL")
    return int(row["n"])


@pytest.mark.parametrize("appendfsync", ["always", "everysec"])
def test_a_full_disk_under_the_lanes_loses_nothing_and_is_over_when_there_is_room(
    appendfsync: str,
) -> None:
    """With `always` Redis ends itself at each write that has no room, and its supervisor starts it
    again; with `everysec` it stays and refuses to write.
    """
    with on_a_small_disk("redis", EMBEDDED_APPENDFSYNC=appendfsync) as stack:
        bob = begin(stack)
        disk = stack.directory / "redis"
        with supervised(stack, "redis") as starts:
            disks.fill(disk)
            for number in range(ORDERS):
                stack.order(bob, "100.00")
                stack.order(stack.customer(f"Charlie{number}"), "10.00")
                time.sleep(0.5)
            disks.fill(disk)
            wait_for(
                "Shopify is answered each",
                lambda: {state for state, _ in states(stack)} == {"delivered"},
                SECONDS,
                lambda: str(states(stack)),
            )
            tries = max(count for _, count in states(stack))
            page = stack.open_admin("/customers")
            health = stack.health()
            shown = stack.me(bob)["points"]["available"]
            waiting = in_postgres(stack)
            print(f"\nfull: {waiting} wait in Postgres, Redis ended {len(starts)} times")
            print(f"{tries} tries at most; {health['status']}, {health['checks']}; {shown} shown")
            assert page.status_code == 200
            assert waiting > 0, "the disk was full enough for it to be told"
            assert health["status"] == "degraded"
            assert shown <= 100 + 100 * ORDERS, "what is shown is true, of now or of before"
            assert bool(starts) == (appendfsync == "always")
            disks.make_room(disk)
            took = seconds_until(
                "every point is there",
                lambda: stack.me(bob)["points"]["available"] == 100 + 100 * ORDERS,
                SECONDS,
            )
            print(f"room again: every point there {took:.1f} s later")
            wait_for("healthy", lambda: stack.health().get("status") == "ok", SECONDS)
        (row,) = fetch(stack, "SELECT count(*) AS n FROM redis_losses")
        assert row["n"] == 0, "what was acknowledged is there, so nothing is noted"
        print(stack.verify())


def test_an_append_only_file_that_ends_within_a_command_is_read_up_to_there() -> None:
    """As after a machine that stopped while the disk was full: what was acknowledged is before."""
    with on_a_small_disk("redis") as stack:
        bob = begin(stack)
        stack.kill("ingest")
        for _ in range(3):
            stack.order(bob, "100.00")
        wait_for(
            "Shopify is answered each",
            lambda: set(states(stack)) == {("delivered", 1)},
            SECONDS,
        )
        with redis.Redis(port=stack.ports["redis"]) as client:
            waiting = client.llen(f"lane:{SHOP}")
            assert waiting >= 3
        stack.kill("redis")
        disk = stack.directory / "redis"
        with append_only(disk).open("ab") as out:
            out.write(b"*3\r\n$5\r\nRPUSH\r\n$4\r\nlane\r\n$300\r\nhalf")
        disks.fill(disk)
        stack.start("redis")
        with redis.Redis(port=stack.ports["redis"]) as client:
            wait_for("it has loaded", client.ping, SECONDS)
            assert client.llen(f"lane:{SHOP}") == waiting
        disks.make_room(disk)
        with supervised(stack, "redis"):
            stack.start("ingest")
            stack.wait_for_points(bob, 400, SECONDS)
        stack.verify()


def test_a_full_disk_under_the_cache_costs_nobody_a_webhook_or_a_point() -> None:
    """The cache's Redis takes no entry, or ends itself: pages load from Postgres."""
    with on_a_small_disk("cache") as stack:
        cache = OwnRedis(stack.directory / "cache", appendfsync="everysec")
        stack.environment["CACHE_REDIS_URL"] = cache.url
        try:
            bob = begin(stack)
            disks.fill(stack.directory / "cache")
            for number in range(ORDERS):
                stack.order(bob, "100.00")
                stack.me(stack.customer(f"Charlie{number}"))
            disks.fill(stack.directory / "cache")
            wait_for("it refuses", lambda: refuses(cache), SECONDS)
            took = seconds_until(
                "every point is there",
                lambda: stack.me(bob)["points"]["available"] == 100 + 100 * ORDERS,
                SECONDS,
            )
            assert stack.open_admin("/customers").status_code == 200
            assert set(states(stack)) == {("delivered", 1)}
            assert in_postgres(stack) == 0
            print(f"\nfull: every point shown {took:.1f} s later; {stack.health()['status']}")
            disks.make_room(stack.directory / "cache")
            wait_for("healthy", lambda: stack.health().get("status") == "ok", SECONDS)
            stack.order(bob, "100.00")
            stack.wait_for_points(bob, 200 + 100 * ORDERS, SECONDS)
            assert not refuses(cache)
            stack.verify()
        finally:
            cache.kill()


def refuses(one: OwnRedis) -> bool:
    with redis.Redis(port=one.port) as client:
        try:
            client.set("a test", bytes(70_000), px=60_000)
        except redis.ResponseError as error:
            return "MISCONF" in str(error)
    return False
