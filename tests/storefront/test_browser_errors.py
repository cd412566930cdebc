"""Errors of the widget and of admin's scripts, told to our own endpoint."""

import json
import time

import httpx2
import pytest
import structlog

from app import config as settings
from app import db
from app.telemetry import metrics
from app.web import files
from tests.admin.staff import Staff
from tests.points.world import ALICE
from tests.storefront.callers import proxied
from tests.web_app import install, open_app

VIEW = files.known["widget/view.js"]
LINE = 1 + next(
    at for at, line in enumerate(VIEW.body.decode().splitlines()) if "showModal" in line
)


def stack_of(name: str = "widget/view.js", edition: str = VIEW.digest, line: int = LINE) -> str:
    address = f"https://shop.example/static/{name}?v={edition}"
    return (
        f"TypeError: it is not there\n    at View.open ({address}:{line}:16)\n"
        f"    at async https://theme.example/assets/theme.js:3:4"
    )


def body(**changed: str) -> bytes:
    told = {"kind": "TypeError", "message": "it is not there", "stack": stack_of()}
    return json.dumps({**told, **changed}).encode()


async def tell(http: httpx2.AsyncClient, content: bytes, address: str = "203.0.113.9"):
    headers = {"Content-Type": "application/json", "X-Forwarded-For": f"{address}, 10.0.0.1"}
    return await http.post(proxied("/storefront/errors"), content=content, headers=headers)


async def test_an_error_of_the_widget_is_told_once_with_the_line_it_stands_in(
    http: httpx2.AsyncClient,
) -> None:
    with structlog.testing.capture_logs() as lines:
        first = await tell(http, body(message="no customer 7001 at bob@example.com"))
        again = await tell(http, body(message="no customer 7002 at bob@example.com"))
    assert (first.status_code, first.json()) == (202, {"outcome": "told"})
    assert again.json() == {"outcome": "again"}
    (line,) = [one for one in lines if one["event"] == "browser error"]
    (frame,) = line["frames"]
    assert (frame["filename"], frame["function"], frame["lineno"]) == (
        "widget/view.js",
        "View.open",
        LINE,
    )
    assert "showModal" in frame["context_line"]
    other = await tell(http, body(stack=stack_of(line=LINE + 1)))
    assert other.json() == {"outcome": "told"}


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("no customer 7001234567 here", "no customer [number] here"),
        ("call +1 (555) 123-4567 now", "call [number] now"),
        (
            "Failed: https://alice.example/apps/x?logged_in_customer_id=7&email=bob%40example.com",
            "Failed: https://alice.example/apps/x?[cut]",
        ),
        ("Failed '/apps/x/me#bob@example.com'", "Failed '/apps/x/me?[cut]'"),
        ("<script>alert(1)</script> at 12:30", "<script>alert(1)</script> at 12:30"),
        ("a" * 500, "a" * 500),
        ("1" * 500, None),
        ("/" * 499 + "?", None),
    ],
)
async def test_a_message_tells_of_nobody(
    http: httpx2.AsyncClient, message: str, said: str | None
) -> None:
    with structlog.testing.capture_logs() as lines:
        assert (await tell(http, body(message=message))).status_code == 202
    (line,) = [one for one in lines if one["event"] == "browser error"]
    assert said is None or line["message"] == said


@pytest.mark.parametrize(
    "stack",
    [
        "Error: x\n    at https://[x/static/live.js:1:2",
        "@" * 4_000,
        "at " * 1_300,
        "at x (https://" + "a" * 3_900,
        f"{'x' * 100}@https://a/static/live.js:999999:999999",
        "at \u202e<img src=x> (https://a/static/../static/live.js:1:2)",
        "at x (https://a/static/%00live.js:1:2)",
    ],
)
async def test_a_stack_nobody_can_read_is_no_error_of_ours_to_answer(
    http: httpx2.AsyncClient, stack: str
) -> None:
    began = time.process_time()
    assert (await tell(http, body(stack=stack))).status_code == 202
    assert time.process_time() - began < 1.0


async def test_a_line_of_another_edition_is_not_shown_as_ours(http: httpx2.AsyncClient) -> None:
    with structlog.testing.capture_logs() as lines:
        await tell(http, body(stack=stack_of(edition="0123456789ab")))
    (line,) = [one for one in lines if one["event"] == "browser error"]
    assert line["frames"][0]["context_line"] == ""


async def test_errors_of_themes_and_other_apps_are_none_of_ours(http: httpx2.AsyncClient) -> None:
    theirs = "Error: x\n    at https://theme.example/assets/theme.js:3:4"
    assert (await tell(http, body(stack=theirs))).json() == {"outcome": "foreign"}
    assert (await tell(http, body(stack=""))).json() == {"outcome": "foreign"}


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"{", 400),
        (b"\xff", 400),
        (body(kind="x" * 101), 400),
        (body(more="field"), 400),
        (body(stack="x" * 4_001), 400),
        (b'"' + b"x" * 6_000 + b'"', 413),
        (b"x" * 20_000, 413),
    ],
)
async def test_what_is_no_error_of_a_script_is_refused(
    http: httpx2.AsyncClient, content: bytes, status: int
) -> None:
    assert (await tell(http, content)).status_code == status


async def test_without_the_shops_proof_nothing_is_taken(http: httpx2.AsyncClient) -> None:
    answer = await http.post("/storefront/errors", content=body())
    assert answer.status_code == 401


async def test_one_browser_and_one_shop_are_limited(http: httpx2.AsyncClient) -> None:
    answers = [await tell(http, body(), "203.0.113.1") for _ in range(8)]
    assert [one.status_code for one in answers].count(429) == 3
    assert answers[-1].headers["retry-after"]
    many = [await tell(http, body(), f"203.0.113.{at}") for at in range(2, 30)]
    assert any(one.status_code == 429 for one in many), "the shop has a limit of its own"
    counted = metrics.BROWSER_ERRORS.labels("widget", "limited")._value.get()
    assert counted >= 4


async def test_an_error_of_an_admin_page_needs_who_asks(
    stores: db.Stores, config: settings.Config
) -> None:
    await install(ALICE)
    stack = "Error: x\nask@http://app/static/live.js:30:5"
    async with open_app(config, stores) as http:
        alice = Staff(http, config, ALICE)
        bearer = {"Authorization": f"Bearer {alice.token()}"}
        told = await http.post("/errors", content=body(stack=stack), headers=bearer)
        assert (told.status_code, told.json()) == (202, {"outcome": "told"})
        assert (await http.post("/errors", content=body(stack=stack))).status_code == 401
