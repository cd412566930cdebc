"""The runbook followed word by word: each part is really broken, the commands of its page tell it,
and those for the end say so when it is over.
"""

import functools
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from app.config import ROOT
from tests.faults.beside import Beside
from tests.faults.shoppers import bob_with, redeem
from tests.living import living
from tests.operate.parts import needed
from tests.stack import SECRET, SHOP, Stack
from tests.waiting import wait_for
from tests.webhook import signed_headers

pytestmark = [pytest.mark.operate, pytest.mark.long]
PAGES = sorted(
    path.name
    for path in (ROOT / "ops" / "runbook").glob("*.md")
    if path.name not in {"README.md", "incident.md"}
)
TELL, DO, OVER = "How to tell", "What to do", "How to know that it is over"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    needed("curl")
    folder = tmp_path_factory.mktemp("metrics")
    with living(PROMETHEUS_MULTIPROC_DIR=str(folder)) as started:
        yield started


@pytest.fixture
def beside(stack: Stack) -> Iterator[Beside]:
    found = Beside(stack)
    yield found
    found.close()


def commands(page: str, section: str) -> list[tuple[str, list[str]]]:
    """The commands of a section, each with what its answer must hold."""
    text = (ROOT / "ops" / "runbook" / page).read_text(encoding="utf-8")
    part = re.split(r"^## ", text.partition(f"## {section}\n")[2], flags=re.MULTILINE)[0]
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"^```sh\n(.*?)^```", part, re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            if line.startswith("#> "):
                found[-1][1].append(line.removeprefix("#> "))
            elif line:
                found.append((line, []))
    return found


def said(stack: Stack, command: str) -> tuple[int, str]:
    folder = Path(sys.executable).parent
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=ROOT,
        env={
            **stack.environment,
            "HOLDFAST": stack.app_url,
            "PATH": f"{folder}:{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout + done.stderr


def follow(stack: Stack, page: str, section: str, seconds: float = 30) -> None:
    """Each command succeeds, and says what the page says it does within `seconds`."""
    for command, wanted in commands(page, section):
        answer = [""]

        def as_written(
            command: str = command, wanted: list[str] = wanted, answer: list[str] = answer
        ) -> bool:
            code, answer[0] = said(stack, command)
            return code == 0 and all(one in answer[0] for one in wanted)

        asked = f"{page}, {command}: {wanted}"
        wait_for(asked, as_written, seconds, functools.partial(str, answer))


@pytest.mark.parametrize("part", ["points", "ingest", "core", "relay", "campaigns"])
def test_a_part_that_is_stopped(stack: Stack, part: str) -> None:
    stack.stop(part)
    follow(stack, f"part-{part}.md", TELL)
    follow(stack, f"part-{part}.md", DO)
    stack.start(part)
    follow(stack, f"part-{part}.md", OVER)


def test_redis_is_stopped(stack: Stack) -> None:
    bob = bob_with(stack, 40)
    stack.stop("redis")
    stack.order(bob, "60.00")
    follow(stack, "redis-away.md", TELL)
    stack.start("redis")
    follow(stack, "redis-away.md", OVER, 60)
    stack.wait_for_points(bob, 100, 40)


def test_postgres_is_stopped(stack: Stack) -> None:
    stack.stop("postgres")
    follow(stack, "postgres-away.md", TELL)
    stack.start("postgres")
    follow(stack, "postgres-away.md", OVER, 60)


def test_somebody_holds_the_log_up(stack: Stack, beside: Beside) -> None:
    holder = beside.run(
        asyncpg.connect(
            beside.url,
            server_settings={
                "application_name": "nightly report",
                "idle_in_transaction_session_timeout": "0",
                "transaction_timeout": "0",
            },
        )
    )
    beside.run(holder.execute("BEGIN"))
    beside.run(holder.execute("SELECT pg_current_xact_id()"))
    time.sleep(2.5)  # shorter ones are no news
    follow(stack, "log-held-up.md", TELL)
    follow(stack, "log-held-up.md", DO)
    follow(stack, "log-held-up.md", OVER)
    holder.terminate()


def test_a_webhook_nobody_can_read_is_set_aside(stack: Stack) -> None:
    body = b'{"id": "no order at all"}'
    headers = signed_headers(body, "orders/paid", SHOP, SECRET)
    answer = stack.http.post(f"{stack.app_url}/webhooks", content=body, headers=headers)
    assert answer.status_code == 200
    follow(stack, "letters-dead.md", TELL)
    follow(stack, "letters-dead.md", DO)
    follow(stack, "letters-dead.md", OVER)


def test_shopify_answers_nobody(stack: Stack) -> None:
    bob = bob_with(stack, 150)
    stack.control("POST", "shopify", {"mode": "fail"})
    assert redeem(stack, bob, key=str(uuid.uuid4())).status_code in {200, 202}
    for page in ("shopify-away.md", "points-held.md"):
        follow(stack, page, TELL)
        follow(stack, page, DO)
    stack.control("POST", "shopify", {"mode": "normal"})
    for page in ("shopify-away.md", "points-held.md"):
        follow(stack, page, OVER, 90)


def test_points_that_do_not_add_up_are_frozen_and_repaired(stack: Stack, beside: Beside) -> None:
    bob = bob_with(stack, 150)
    beside.execute(
        "UPDATE lots SET remaining = 7"
        " WHERE member_id = (SELECT id FROM members WHERE customer_id = $1)",
        bob,
    )
    assert redeem(stack, bob).status_code == 422, "their points do not move any more"
    follow(stack, "members-frozen.md", TELL)
    code, text = said(stack, f"python -m workers.repair {SHOP} {bob}")
    assert code == 0, text
    follow(stack, "members-frozen.md", OVER)


@pytest.mark.parametrize("page", PAGES)
def test_with_everything_well_the_commands_for_the_end_of_each_page_say_so(
    stack: Stack, page: str
) -> None:
    follow(stack, page, OVER)


def test_the_commands_that_look_work_when_there_is_nothing_to_see(stack: Stack) -> None:
    looked = 0
    for page in PAGES:
        for command, wanted in commands(page, TELL):
            if not wanted:
                code, text = said(stack, command)
                assert code == 0, f"{page}, {command}: {text}"
                looked += 1
    assert looked > 30
