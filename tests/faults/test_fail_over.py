"""The primary dies and a replica takes over: the product goes on at the new address."""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from local import servers
from tests import template
from tests.faults.test_put_back import fetch, losses, sent_again
from tests.replicas import OwnReplica
from tests.silence import Silence
from tests.stack import Stack
from tests.waiting import seconds_until, wait_for

pytestmark = pytest.mark.long
SECONDS = 90
SYNCHRONOUS = "ALTER SYSTEM SET synchronous_standby_names = '*'"
IN_STEP = "SELECT count(*) AS count FROM pg_stat_replication WHERE sync_state = $1"


class TwoHosts(Stack):
    """A stack whose DATABASE_URL names the primary and a replica that is not there yet."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.replica_port = servers.free_port()
        hosts = f"127.0.0.1:{self.ports['postgres']},127.0.0.1:{self.replica_port}"
        self.primary = self.environment["DATABASE_URL"]
        self.environment["DATABASE_URL"] = f"postgres://postgres@{hosts}/postgres"

    def ask_primary(self, *statements: str) -> None:
        async def ask() -> None:
            connection = await asyncpg.connect(self.primary)
            for one in statements:
                await connection.execute(one)
            await connection.close()

        asyncio.run(ask())


@pytest.fixture
def stack() -> Iterator[TwoHosts]:
    with (
        template.folder(),
        tempfile.TemporaryDirectory(prefix="holdfast-stack-", ignore_cleanup_errors=True) as name,
    ):
        Path(name).chmod(0o755)
        made = TwoHosts(Path(name))
        try:
            made.start_everything()
            made.install()
            yield made
        finally:
            made.stop_everything()


def replica_of(stack: TwoHosts, url: str) -> OwnReplica:
    return OwnReplica(stack.directory / "replica", url, stack.replica_port)


def test_with_synchronous_replication_a_dead_primary_costs_nothing(stack: TwoHosts) -> None:
    replica = replica_of(stack, stack.primary)
    try:
        stack.ask_primary(SYNCHRONOUS, "SELECT pg_reload_conf()")
        wait_for(
            "the replica is in step", lambda: fetch(stack, IN_STEP, "sync")[0]["count"] == 1, 30
        )
        bob = stack.customer("Bob")
        for _ in range(5):
            stack.order(bob, "100.00")
        stack.wait_for_points(bob, 500)
        for _ in range(5):
            stack.order(bob, "10.00")
        stack.kill("postgres")
        stack.order(bob, "100.00")  # a webhook is taken in all the same
        began = time.monotonic()
        replica.promote()
        took = time.monotonic() - began
        wait_for("orders go on", lambda: stack.me(bob)["points"]["available"] == 650, SECONDS)
        print(f"\npromoted in {took:.1f} s, every point there {time.monotonic() - began:.1f} s")
        wait_for("the app is healthy", lambda: stack.health().get("status") == "ok", SECONDS)
        wait_for("the fail-over is noted", lambda: bool(losses(stack)), SECONDS)
        (loss,) = losses(stack)
        assert loss["kind"] == "database"
        print(f"window noted: {(loss['noticed_at'] - loss['lost_from']).total_seconds():.1f} s")
        print(stack.verify())
    finally:
        replica.stop()


def test_without_it_what_the_replica_had_not_is_noted_and_counts_when_it_is_told_again(
    stack: TwoHosts,
) -> None:
    with Silence(stack.ports["postgres"]) as between:
        through = stack.primary.replace(f":{stack.ports['postgres']}/", f":{between.port}/")
        replica = replica_of(stack, through)
        try:
            wait_for("it follows", lambda: fetch(stack, IN_STEP, "async")[0]["count"] == 1, SECONDS)
            bob = stack.customer("Bob")
            stack.order(bob, "100.00")
            stack.wait_for_points(bob, 100)
            time.sleep(2.2)  # the replica has it, and a look behind it
            since = datetime.now(UTC)
            between.be_black_hole()
            for _ in range(6):
                stack.order(bob, "100.00")
            stack.wait_for_points(bob, 700)
            stack.kill("postgres")
            replica.promote()
            wait_for("the loss is noted", lambda: bool(losses(stack)), SECONDS)
            (loss,) = losses(stack)
            assert loss["kind"] == "database"
            assert loss["lost_from"] <= since
            assert stack.me(bob)["points"]["available"] == 100, "six acknowledged orders are lost"
            sent_again(stack, loss["lost_from"])
            took = seconds_until(
                "they count", lambda: stack.me(bob)["points"]["available"] == 700, SECONDS
            )
            print(f"\n6 orders lost without synchronous replication, back {took:.1f} s later")
            print(stack.verify())
        finally:
            replica.stop()
