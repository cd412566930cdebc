"""Health while each part in turn hangs (SIGSTOP): answered in time, degraded and not down, by its
own name; and ten thousand who ask at once are no load.
"""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from benchmarks import sides
from tests.living import living
from tests.stack import Stack
from tests.waiting import wait_for

pytestmark = pytest.mark.long
ANSWERED_SECONDS_MAX = 3.0  # the longest deadline of a part, and a slow machine
MANY = 10_000
PARTS = {
    "redis": ("checks", "redis"),
    "postgres": ("checks", "postgres"),
    "relay": ("services", "relay"),
    "ingest": ("services", "ingest"),
    "points": ("services", "points"),
    "campaigns": ("services", "campaigns"),
    "referrals": ("services", "referrals"),
    "core": ("services", "core"),
}


@pytest.fixture(scope="module")
def stack_here() -> Iterator[Stack]:
    with living() as stack:
        yield stack


def deep(stack: Stack) -> dict[str, Any]:
    began = time.monotonic()
    answer = stack.http.get(f"{stack.app_url}/healthz/deep")
    took = time.monotonic() - began
    assert took < ANSWERED_SECONDS_MAX, f"{took:.1f} s"
    assert answer.status_code == 200, "what is degraded serves"
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_hangs_is_named_in_time_and_nobody_is_taken_out(
    stack_here: Stack, part: str
) -> None:
    stack, (group, name) = stack_here, PARTS[part]
    wait_for("all is well", lambda: deep(stack)["status"] == "ok", 60)
    stack.pause(part)
    try:
        wait_for(
            "it is named",
            lambda: deep(stack)[group][name]["status"] not in {"ok", "healthy"},
            30,
        )
        found = deep(stack)
        assert found["status"] == "degraded"
        if group == "services":
            others = {one: told["status"] for one, told in found["checks"].items()}
            assert {others["postgres"], others["redis"], others["cache"], others["disk"]} == {"ok"}
        began = time.monotonic()
        for path in ("live", "ready"):
            assert stack.http.get(f"{stack.app_url}/healthz/{path}").status_code == 200
        assert time.monotonic() - began < ANSWERED_SECONDS_MAX
    finally:
        stack.resume(part)
    wait_for("all is well again", lambda: deep(stack)["status"] == "ok", 60)


def test_ten_thousand_who_ask_are_no_load(stack_here: Stack) -> None:
    stack = stack_here
    wait_for("all is well", lambda: stack.health().get("status") == "ok", 60)
    counting = redis.Redis(port=stack.ports["redis"])

    def commands() -> int:
        return int(counting.info("stats")["total_commands_processed"])

    before, began = commands(), time.monotonic()
    time.sleep(3)
    idle = (commands() - before) / (time.monotonic() - began)
    host = f"Host: 127.0.0.1:{stack.ports['web']}"
    requests = [
        f"GET /healthz{path} HTTP/1.1\r\n{host}\r\n\r\n"
        for path in ("", "/ready", "/deep", "/live")
        for _ in range(MANY // 4)
    ]
    before, began = commands(), time.monotonic()
    sides.load({"port": stack.ports["web"], "connections": 200, "requests": requests})
    seconds = time.monotonic() - began
    more = commands() - before - idle * seconds
    looks = 2 * seconds + seconds / 2 + 4  # of the plain kind and of the deep one
    assert more < 20 * looks, f"{more:.0f} commands to Redis in {seconds:.1f} s"
    print(f"\n{MANY} asked in {seconds:.1f} s: {more:.0f} commands more than without them")
