"""Processes of two releases on the same stores, with the programme in use, while each of them is
started anew, killed and taken back: nothing is lost or doubled.
"""

import random
import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.config import ROOT
from local import processes
from tests import template
from tests.faults.beside import Beside
from tests.operate.parts import needed
from tests.operate.test_previous_release import git, previous
from tests.stack import SHOP, Stack
from tests.waiting import wait_for

pytestmark = [pytest.mark.operate, pytest.mark.long]

MEMBERS, PRICE = 6, 30
WORKERS = [name for name in processes.app_commands() if name not in {"release", "web"}]


class Beside2(Stack):
    """A stack whose second process of each kind (`points2`) is of the release before."""

    old: Path = ROOT

    def _spawn(self, name: str) -> None:
        now, self.root = self.root, self.old if name.endswith("2") else self.root
        try:
            super()._spawn(name)
        finally:
            self.root = now


@contextmanager
def release_before() -> Iterator[Path]:
    needed("git")
    if git("rev-parse", "--is-shallow-repository") == "true":
        pytest.skip("this clone has no history, and so no release before")
    with tempfile.TemporaryDirectory(prefix="hf-before-") as name:
        place = Path(name) / "house"
        git("worktree", "add", "--detach", str(place), previous())
        try:
            shutil.rmtree(place / "migrations")
            shutil.copytree(ROOT / "migrations", place / "migrations")
            yield place
        finally:
            git("worktree", "remove", "--force", str(place))


@pytest.fixture
def stack() -> Iterator[Beside2]:
    with (
        release_before() as old,
        template.folder(),
        tempfile.TemporaryDirectory(prefix="hf-", ignore_cleanup_errors=True) as name,
    ):
        Path(name).chmod(0o755)
        made = Beside2(Path(name))
        made.old = old
        try:
            made.start_everything()
            made.install()
            yield made
        finally:
            made.stop_everything()


def post(stack: Stack, path: str, **fields: str) -> str:
    token = stack.control("GET", f"shops/{SHOP}/id-token")["id_token"]
    answer = stack.http.post(
        f"{stack.app_url}{path}", data=fields, headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 200, answer.text
    return answer.text


def double_points(stack: Stack) -> None:
    start = f"{datetime.now(UTC).date() - timedelta(days=2)}"
    fields = {"trigger": "order", "effect": "multiply", "value": "2", "starts_day": start}
    page = post(stack, "/campaigns", key=uuid.uuid4().hex, name="Double", **fields)
    campaign_id = page.split("/state")[0].rsplit("/", 1)[1]
    post(stack, f"/campaigns/{campaign_id}/state", state="live")


class Buying(threading.Thread):
    """Orders of all members, and now and then a reward, until told to stop."""

    def __init__(self, stack: Stack, members: list[str]) -> None:
        super().__init__()
        self.stack, self.members = stack, members
        self.stop = threading.Event()
        self.orders = dict.fromkeys(members, 0)
        self.asked: list[tuple[str, str]] = []
        self.failed: list[str] = []
        self.dice = random.Random(7)

    def run(self) -> None:
        while not self.stop.is_set():
            member = self.dice.choice(self.members)
            self.stack.order(member, f"{PRICE}.00")
            self.orders[member] += 1
            if self.dice.random() < 0.3:
                self.redeem(self.dice.choice(self.members))
            self.stop.wait(0.15)

    def redeem(self, member: str) -> None:
        key = uuid.uuid4().hex
        try:
            answer = self.stack.proxy(
                "POST",
                "/storefront/redemptions",
                member,
                json={"reward_id": self.reward(member), "idempotency_key": key},
                web2=self.dice.random() < 0.5,
            )
        except httpx.HTTPError as error:  # a web that is being started anew
            self.failed.append(type(error).__name__)
            return
        if answer.status_code in {200, 202}:
            self.asked.append((member, key))
        elif answer.status_code not in {422, 409}:
            self.failed.append(answer.text)

    def reward(self, member: str) -> str:
        if not hasattr(self, "_reward"):
            rewards: list[dict[str, Any]] = self.stack.me(member)["rewards"]
            self._reward = str(min(rewards, key=lambda one: one["cost"])["id"])
        return self._reward


def test_two_releases_side_by_side_lose_and_double_nothing(stack: Beside2) -> None:
    double_points(stack)
    members = [stack.customer(f"Bob{number}") for number in range(MEMBERS)]
    for member in members:
        stack.order(member, f"{PRICE}.00")
        stack.wait_for_points(member, 2 * PRICE, seconds=60)
    stack.start("web2")
    buying = Buying(stack, members)
    buying.start()
    dice, began, done = random.Random(3), time.monotonic(), []
    try:
        # the new release's workers beside those of the one before; then these alone, as after a
        # rollback; then the new ones again: each is started anew, and some are killed
        for kinds in ("beside", "before", "new"):
            for name in WORKERS:
                old = f"{name}2"
                if kinds == "beside":
                    stack.start(old)
                elif kinds == "before":
                    stack.stop(name, kill=dice.random() < 0.5)
                else:
                    stack.start(name)
                    stack.stop(old, kill=dice.random() < 0.5)
                done.append(f"{kinds} {name}")
                time.sleep(0.5)
            time.sleep(2)
        for name in (*WORKERS, "web"):  # a rolling restart of every process of the new release
            stack.stop(name)
            stack.start(name)
            time.sleep(0.5)
    finally:
        buying.stop.set()
        buying.join(60)
    seconds = time.monotonic() - began
    wait_for("all is healthy", lambda: stack._is_healthy(()), 120)
    beside = Beside(stack)
    try:
        expected = {one: 2 * PRICE * (1 + count) for one, count in buying.orders.items()}

        def earned() -> dict[str, int]:
            rows = beside.run(beside.connection.fetch(EARNED))
            return {row["customer_id"]: int(row["points"]) for row in rows}

        wait_for(
            "every order has its points", lambda: earned() == expected, 180, lambda: str(earned())
        )
        wait_for(
            "every reward has its code",
            lambda: beside.fetchval("SELECT count(*) FROM redemptions WHERE state = 'held'") == 0,
            120,
        )
        redeemed = beside.fetchval("SELECT count(*) FROM redemptions")
        doubled = beside.fetchval(
            "SELECT count(*) - count(DISTINCT (shop, code)) FROM redemptions WHERE code <> ''"
        )
        letters = beside.letters()
    finally:
        beside.close()
    said = stack.verify()
    orders = sum(buying.orders.values()) + MEMBERS
    print(
        f"{orders} orders, {redeemed} rewards over {len(done)} starts and ends of workers in "
        f"{seconds:.0f} s; {len(buying.failed)} rewards asked of a web that was started anew; "
        f"{letters} letters; {said.splitlines()[-1]}"
    )
    assert redeemed >= len(buying.asked) > 0
    assert doubled == 0
    assert letters == 0


EARNED = """
SELECT members.customer_id, sum(ledger.points) AS points
  FROM ledger JOIN members ON members.shop = ledger.shop AND members.id = ledger.member_id
 WHERE ledger.effect IN ('earn', 'bonus') GROUP BY 1
"""
