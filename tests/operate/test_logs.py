"""Log lines of a real run: one form for all, found by shop and request, without people in them, as
the settings for Elasticsearch expect them, and as many as somebody asks for.
"""

import json
import re
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from app.config import ROOT
from app.services import PROCESSES
from ops.grafana.boards import BOARDS
from tests.faults.shoppers import redeem
from tests.living import living
from tests.operate.observed import expressions
from tests.stack import SHOP, Stack
from tests.waiting import wait_for
from tests.webhook import signed_headers

pytestmark = pytest.mark.operate
MAPPING = json.loads((ROOT / "ops" / "elk" / "mapping.json").read_text(encoding="utf-8"))
FIELDS: dict[str, Any] = MAPPING["template"]["mappings"]["properties"]
TYPES: dict[str, tuple[type, ...]] = {
    "keyword": (str,),
    "text": (str,),
    "date": (str,),
    "short": (int,),
    "integer": (int,),
    "float": (int, float),
}
FIELD = re.compile(r"(\w+)=~?\"|by \((\w+)\)|unwrap (\w+)")
PEOPLE = ("Bobina", "Buyerova", "bobina@", "@example.com")


@pytest.fixture(scope="module")
def run() -> Iterator[Stack]:
    """A shop with a customer of a rare name, an order, a reward, pages, a failure and a stop."""
    with living() as stack:
        bob = stack.control(
            "POST",
            f"shops/{SHOP}/customers",
            {"first_name": "Bobina", "last_name": "Buyerova", "email": "bobina@example.com"},
        )["id"]
        stack.order(bob, "200.00")
        stack.wait_for_points(bob, 200)
        redeem(stack, bob)
        stack.open_admin("/")
        stack.open_admin(f"/customers/{bob}")
        body = b'{"email": "bobina@example.com", "id": "none"}'
        headers = signed_headers(body, "orders/paid", SHOP, stack.environment["SHOPIFY_API_SECRET"])
        stack.http.post(f"{stack.app_url}/webhooks", content=body, headers=headers)
        stack.http.post(f"{stack.app_url}/webhooks", content=body)
        said = stack.directory / "ingest.log"
        wait_for("it was set aside", lambda: '"set aside"' in said.read_text("utf-8"), 20)
        stack.stop("redis")
        stack.me(bob)
        time.sleep(1)
        stack.start("redis")
        wait_for("all is well", lambda: stack.health().get("status") == "ok", 30)
        yield stack


def lines(stack: Stack) -> list[dict[str, Any]]:
    """All that the processes said."""
    return [
        json.loads(line)
        for name in PROCESSES
        for line in (stack.directory / f"{name}.log").read_text(encoding="utf-8").splitlines()
    ]


def test_every_line_says_when_who_what_and_how_bad(run: Stack) -> None:
    said = lines(run)
    assert len(said) > 20
    for line in said:
        assert {"timestamp", "level", "event"} <= set(line), line
        assert datetime.fromisoformat(line["timestamp"]).tzinfo is not None
    assert {line.get("process") for line in said} >= set(PROCESSES)


def test_a_merchants_requests_are_found_by_shop_and_each_by_its_id(run: Stack) -> None:
    requests = [line for line in lines(run) if line["event"] == "request"]
    of_alice = [line for line in requests if line.get("shop") == SHOP]
    assert {line["route"] for line in of_alice} >= {
        "/storefront/me",
        "/",
        "/customers/{customer_id}",
    }
    assert all(line["request_id"] for line in requests)
    aside = next(line for line in lines(run) if line["event"] == "set aside")
    assert (aside["shop"], aside["service"]) == (SHOP, "ingest")


def test_no_line_names_a_person_a_token_or_a_code(run: Stack) -> None:
    text = "".join((run.directory / f"{name}.log").read_text() for name in PROCESSES)
    for one in (*PEOPLE, run.environment["SHOPIFY_API_SECRET"], "eyJ", "shpat_"):
        assert one not in text, one


def test_each_field_has_one_type_in_all_lines_and_that_of_the_mapping(run: Stack) -> None:
    seen: dict[str, set[str]] = defaultdict(set)
    for line in lines(run):
        for name, value in line.items():
            if name in FIELDS and value is not None:
                values = value if isinstance(value, list) else [value]
                wanted = TYPES[FIELDS[name]["type"]]
                assert all(isinstance(one, wanted) for one in values), (name, line)
                seen[name].add(type(value).__name__)
    assert {"timestamp", "level", "event", "process", "shop", "request_id", "status"} <= set(seen)


def test_every_process_follows_a_level_that_somebody_wants_for_a_while(run: Stack) -> None:
    def told(level: str) -> set[str]:
        found = [one for one in lines(run) if one["event"] == "log level changed"]
        return {one["process"] for one in found if one["now_level"] == level}

    def ask(level: str) -> None:
        command = [sys.executable, "-m", "ops.loglevel", level, "--minutes", "1"]
        subprocess.run(command, cwd=ROOT, env=run.environment, check=True, capture_output=True)

    ask("DEBUG")
    wait_for("all follow", lambda: told("DEBUG") == set(PROCESSES), 15, lambda: str(told("DEBUG")))
    run.health()
    wait_for(
        "what is no news is said",
        lambda: any(
            one["level"] == "debug" and one.get("route") == "/healthz" for one in lines(run)
        ),
        5,
    )
    ask("back")
    wait_for("all go back", lambda: told("INFO") == set(PROCESSES), 15, lambda: str(told("INFO")))


def test_each_field_the_merchants_board_asks_for_is_in_real_lines(run: Stack) -> None:
    board = next(one for one in BOARDS if one.source == "loki")
    asked = " ".join(expr for _, expr in expressions(board))
    asked = re.sub(r"\{.*?\}", "", asked)  # labels are the shippers'
    fields = {one for found in FIELD.findall(asked) for one in found if one}
    assert {"shop", "event", "level", "request_id", "milliseconds", "status", "route"} == fields
    assert fields <= {name for line in lines(run) for name in line if line.get("shop") == SHOP}
