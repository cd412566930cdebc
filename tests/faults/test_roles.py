"""The whole product with a login of its own for each process, none of which owns anything."""

import asyncio
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from app.services import PROCESSES
from local import processes
from tests import template
from tests.stack import SHOP, Stack
from tests.waiting import wait_for

pytestmark = pytest.mark.long
PREFIX = "holdfast"


class WithLogins(Stack):
    """Each process reaches Postgres as itself."""

    def addresses(self, name: str) -> dict[str, str]:
        kind = name.rstrip("0123456789")
        if kind not in PROCESSES:
            return {}
        url = self.environment["DATABASE_URL"].replace("postgres@", f"{kind}_login@")
        return {"DATABASE_URL": url}


@pytest.fixture
def stack() -> Iterator[Stack]:
    with (
        template.folder(),
        tempfile.TemporaryDirectory(prefix="holdfast-stack-", ignore_cleanup_errors=True) as name,
    ):
        Path(name).chmod(0o755)
        made = WithLogins(Path(name), DATABASE_ROLES=PREFIX)
        template.copy_postgres(made.directory / "postgres")
        (made.directory / "released").touch()
        try:
            made.start("postgres")
            done = subprocess.run(
                processes.app_commands()["release"],
                cwd=processes.ROOT,
                env=made.environment,
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            asyncio.run(_make_logins(made.environment["DATABASE_URL"]))
            made.start_everything()
            yield made
        finally:
            made.stop_everything()


async def _make_logins(url: str) -> None:
    connection = await asyncpg.connect(url)
    for process in PROCESSES:
        await connection.execute(f"CREATE ROLE {process}_login LOGIN IN ROLE {PREFIX}_{process}")
    await connection.close()


def test_everything_works_with_no_more_rights_than_each_process_needs(stack: Stack) -> None:
    stack.install()
    bob = stack.customer("Bob")
    order = stack.order(bob, "200.00")
    me = stack.wait_for_points(bob, 200)
    stack.control("POST", f"shops/{SHOP}/orders/{order['id']}/refund", {"lines": "all"})
    stack.wait_for_points(bob, 0)
    stack.order(bob, "300.00")
    me = stack.wait_for_points(bob, 300)
    reward = min(me["rewards"], key=lambda one: one["cost"])
    answer = stack.proxy(
        "POST",
        "/storefront/redemptions",
        bob,
        json={"reward_id": reward["id"], "idempotency_key": "once-and-only-once"},
    )
    assert answer.status_code < 300, answer.text
    stack.wait_for_points(bob, 300 - reward["cost"])
    for path in ("/", "/customers", f"/customers/{bob}", "/program", "/health"):
        assert stack.open_admin(path).status_code == 200, path
    stack.kill("redis")
    stack.order(bob, "50.00")  # goes to Postgres instead
    stack.start("redis")
    stack.wait_for_points(bob, 350 - reward["cost"], 60)
    wait_for("healthy", lambda: stack.health().get("status") == "ok", 60)
    print(stack.verify())
    for log in stack.directory.glob("*.log"):
        assert "permission denied" not in log.read_text(), log.name
