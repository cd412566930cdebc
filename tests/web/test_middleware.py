"""What every request passes through, on a small app of its own."""

import asyncio
import re
from collections.abc import AsyncIterator
from types import SimpleNamespace

import httpx2
import pytest
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from structlog.testing import capture_logs

from app.errors import ConflictError, HoldfastError, UnavailableError
from app.telemetry import metrics
from app.web import inbound, middleware


async def ok(request: Request) -> PlainTextResponse:
    structlog.get_logger().info("inside")
    return PlainTextResponse(request.state.request_id)


async def size(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


async def conflict(request: Request) -> PlainTextResponse:
    raise ConflictError("This key was used for something else.")


async def away(request: Request) -> PlainTextResponse:
    raise UnavailableError("Points are not available just now.")


async def bug(request: Request) -> PlainTextResponse:
    raise KeyError("a secret of the inside")


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    routes = [
        Route("/healthz", ok),
        Route("/storefront/conflict", conflict),
        Route("/storefront/away", away),
        Route("/storefront/bug", bug),
        Route("/checkout/bug", bug),
        Route("/checkout/conflict", conflict),
        Route("/things/{number}", ok),
        Route("/bug", bug),
        Route("/size", size, methods=["POST"]),
    ]
    inner = Starlette(
        routes=routes,
        middleware=[Middleware(middleware.Edge)],
        exception_handlers={
            HoldfastError: middleware.expected,
            HTTPException: middleware.http_error,
        },
    )
    state = {"config": SimpleNamespace(admin_origins=("https://admin.example",))}

    async def app(scope, receive, send) -> None:
        await inner({**scope, "state": dict(state)}, receive, send)

    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app), base_url="http://app"
    ) as client:
        yield client


async def test_a_sane_request_id_is_carried_and_answered(http) -> None:
    response = await http.get("/things/1", headers={"x-request-id": "order-1001.retry_2"})
    assert response.headers["x-request-id"] == response.text == "order-1001.retry_2"


@pytest.mark.parametrize(
    "given", ["", "short", "x" * 129, "with space in it", 'with"quotes"inside', "-starts-badly"]
)
async def test_a_strange_request_id_is_replaced(http, given: str) -> None:
    response = await http.get("/things/1", headers={"x-request-id": given})
    assert re.fullmatch(r"[0-9a-f]{32}", response.headers["x-request-id"])


async def test_every_request_is_one_line_and_one_measurement_by_its_template(http) -> None:
    before = counted("/things/{number}")
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        for number in range(3):
            await http.get(f"/things/{number}?id_token=secret")
    requests = [line for line in lines if line["event"] == "request"]
    assert {(line["route"], line["status"], line["log_level"]) for line in requests} == {
        ("/things/{number}", 200, "info")
    }
    assert len({line["request_id"] for line in requests}) == 3
    assert "secret" not in str(lines)
    assert counted("/things/{number}") == before + 3


def counted(route: str) -> float:
    found = [
        s.value
        for m in metrics.REQUEST_SECONDS.collect()
        for s in m.samples
        if s.name.endswith("_count") and s.labels["route"] == route
    ]
    return found[0] if found else 0.0


async def test_a_health_check_that_went_well_is_no_news(http) -> None:
    with capture_logs() as lines:
        await http.get("/healthz")
        await http.post("/healthz")
    assert [
        (line["log_level"], line["status"]) for line in lines if line["event"] == "request"
    ] == [
        ("debug", 200),
        ("info", 405),
    ]


async def test_unknown_addresses_share_one_label(http) -> None:
    await http.get("/no/such/1")
    await http.get("/no/such/2")
    assert counted("unmatched") >= 2


async def test_our_own_errors_answer_with_their_status_code_and_sentence(http) -> None:
    response = await http.get("/storefront/conflict")
    assert response.status_code == 409
    assert response.json() == {
        "error": {"code": "conflict", "message": "This key was used for something else."}
    }


async def test_a_refusal_is_one_line_that_says_why(http) -> None:
    with capture_logs() as lines:
        await http.get("/storefront/conflict")
    assert [(line["event"], line["status"], line["error_code"]) for line in lines] == [
        ("request", 409, "conflict")
    ]
    assert lines[0]["reason"] == "This key was used for something else."


async def test_what_can_come_back_says_when_to_ask_again(http) -> None:
    response = await http.get("/storefront/away")
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")


@pytest.mark.parametrize("path", ["/storefront/bug", "/checkout/bug", "/bug"])
async def test_a_bug_is_logged_once_and_its_inside_stays_inside(http, path: str) -> None:
    with capture_logs() as lines:
        response = await http.get(path)
    assert response.status_code == 500
    assert "secret of the inside" not in response.text
    assert [line["event"] for line in lines if line["log_level"] == "error"] == ["request failed"]
    assert "x-request-id" in response.headers


async def test_checkout_extensions_can_read_every_error(http) -> None:
    for path in ("/checkout/bug", "/checkout/conflict", "/checkout/nothing-here"):
        assert (await http.get(path)).headers["access-control-allow-origin"] == "*"


async def test_people_get_a_page_and_programs_get_json(http) -> None:
    page = await http.get("/nothing-here", headers={"accept": "text/html,application/json;q=0.9"})
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["content-security-policy"] == "frame-ancestors https://admin.example"
    answer = await http.get("/nothing-here", headers={"accept": "application/json"})
    assert answer.json()["error"] == {
        "code": "not_found",
        "message": "There is nothing at this address.",
    }


async def test_a_body_over_sixty_four_kilobytes_is_refused_announced_or_not(http) -> None:
    path = "/size"
    limit = 64 * 1024
    assert (await http.post(path, content=b"x" * limit)).text == str(limit)
    announced = await http.post(
        path, content=b"x" * (limit + 1), headers={"accept": "application/json"}
    )
    assert announced.status_code == 413
    assert announced.json()["error"] == {
        "code": "too_large",
        "message": "The request is larger than 64 KB.",
    }

    async def unannounced() -> AsyncIterator[bytes]:
        for _ in range(65):
            yield b"x" * 1024

    assert (await http.post(path, content=unannounced())).status_code == 413


async def test_a_body_that_does_not_come_is_waited_for_no_longer_than_it_may_take(
    http, monkeypatch
) -> None:
    monkeypatch.setattr(middleware.inbound, "room", inbound.Room(seconds_max=0.1))
    never = asyncio.Event()

    async def stalled() -> AsyncIterator[bytes]:
        yield b"x"
        await never.wait()

    response = await http.post("/size", content=stalled(), headers={"accept": "application/json"})
    assert (response.status_code, response.json()["error"]["code"]) == (408, "too_slow")
    assert response.headers["connection"] == "close"


@pytest.mark.parametrize("name", ["Authorization", "Content-Type"])
async def test_a_header_that_says_who_asks_or_what_comes_must_come_once(http, name) -> None:
    twice = [(name, "one"), (name.lower(), "two"), ("accept", "application/json")]
    response = await http.get("/things/1", headers=twice)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_input")
    assert (await http.get("/things/1", headers=[(name, "one")])).status_code == 200


@pytest.mark.parametrize("path", ["/things/1", "/nothing-here", "/bug", "/storefront/conflict"])
async def test_every_answer_keeps_browsers_from_guessing_and_from_telling_addresses(
    http, path: str
) -> None:
    headers = (await http.get(path)).headers
    assert headers.get_list("x-content-type-options") == ["nosniff"]
    assert headers.get_list("referrer-policy") == ["same-origin"]
