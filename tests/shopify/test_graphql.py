"""Calls of the Admin API: what is sent, what is waited for, what is tried again, and what is
said when it fails.
"""

import asyncio
import json
import time
from collections.abc import Callable

import httpx
import pytest
from structlog.testing import capture_logs

from app.errors import BadInputError, UnavailableError
from app.shopify import graphql
from app.shopify.budget import Budgets
from app.shopify.graphql import ShopifyRefusedError, ThrottledError, TokenRefusedError
from tests.shopify.signing import ALICE

BOBS = "bob.myshopify.com"
DATA = {"codeDiscountNodeByCode": None}
Reply = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


class Shopify:
    """Answers in turn with what the test says, the last answer for ever; keeps what was asked."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.asked: list[httpx.Request] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        await asyncio.sleep(0)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, Exception):
            raise reply
        return reply(request) if callable(reply) else reply

    @property
    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self))


def answer(
    data: object = DATA, *errors: dict, cost: tuple | None = None, **headers: str
) -> httpx.Response:
    """`cost` is (requested, available, maximum, restored a second)."""
    body: dict = {"data": data} if data != "none" else {}
    if errors:
        body["errors"] = list(errors)
    if cost:
        requested, available, maximum, rate = cost
        status = {"maximumAvailable": maximum, "currentlyAvailable": available, "restoreRate": rate}
        body["extensions"] = {"cost": {"requestedQueryCost": requested, "throttleStatus": status}}
    return httpx.Response(200, json=body, headers={"X-Shopify-API-Version": "2026-07", **headers})


def error(code: str = "", path: list | None = None) -> dict:
    return {
        "message": "no",
        **({"extensions": {"code": code}} if code else {}),
        **({"path": path} if path else {}),
    }


def throttled(requested: float = 10, available: float = 0, rate: float = 100) -> httpx.Response:
    return answer("none", error("THROTTLED"), cost=(requested, available, 2000, rate))


@pytest.fixture
def ask(config):
    async def asking(
        shopify: Shopify,
        shop: str = ALICE,
        renew=None,
        document: str = "discount_by_code",
        **variables,
    ):
        async with shopify.client as client:
            return await graphql.execute(
                client, config, shop, "shpat_1", document, variables or {"code": "HF-1"}, renew
            )

    return asking


# what is sent


async def test_a_call_sends_document_variables_and_token_to_the_shop(ask):
    shopify = Shopify(answer())
    assert await ask(shopify, code="HF-2") == DATA
    (request,) = shopify.asked
    assert str(request.url) == f"https://{ALICE}/admin/api/2026-07/graphql.json"
    assert request.headers["X-Shopify-Access-Token"] == "shpat_1"
    assert request.headers["Content-Type"] == "application/json"
    body = json.loads(request.content)
    assert body["variables"] == {"code": "HF-2"}
    assert "codeDiscountNodeByCode" in body["query"]


@pytest.mark.parametrize(
    "shop", ["evil.example", f"{ALICE}.evil.example", f"{ALICE}/x", "{shop.__class__}"]
)
async def test_nothing_is_ever_sent_to_a_host_that_is_no_shop(ask, shop):
    shopify = Shopify(answer())
    with pytest.raises(BadInputError):
        await ask(shopify, shop)
    assert shopify.asked == []


async def test_what_a_shop_refuses_by_its_rules_is_the_callers_to_read(ask):
    told = {
        "discountCodeBasicCreate": {"codeDiscountNode": None, "userErrors": [{"code": "TAKEN"}]}
    }
    assert await ask(Shopify(answer(told)), document="discount_create") == told


# throttling


async def test_a_throttled_call_waits_for_the_points_it_lacks_and_goes_on(ask):
    shopify = Shopify(throttled(requested=30, available=5, rate=100), answer())
    began = time.monotonic()
    assert await ask(shopify) == DATA
    assert 0.25 <= time.monotonic() - began < 1
    assert len(shopify.asked) == 2


async def test_a_wait_that_does_not_fit_the_deadline_is_not_begun(ask):
    shopify = Shopify(throttled(requested=1000, available=0, rate=50))
    began = time.monotonic()
    with pytest.raises(ThrottledError):
        await ask(shopify)
    assert time.monotonic() - began < 0.5
    assert len(shopify.asked) == 1


async def test_a_call_that_is_throttled_again_and_again_ends(ask):
    shopify = Shopify(throttled(requested=1, available=0, rate=1000))
    with pytest.raises(ThrottledError):
        await ask(shopify)
    assert len(shopify.asked) == graphql.TRIES_MAX


async def test_a_shop_that_cannot_afford_a_call_is_not_asked(ask):
    assert await ask(Shopify(answer(cost=(50, 10, 1000, 1))))
    unasked, other = Shopify(answer()), Shopify(answer())
    with pytest.raises(ThrottledError):
        await ask(unasked)
    assert unasked.asked == []
    assert await ask(other, BOBS), "another shop's budget is its own"


async def test_calls_at_once_do_not_spend_the_same_points(ask):
    await ask(Shopify(answer(cost=(100, 250, 1000, 1))))
    shopify = Shopify(answer(cost=(100, 250, 1000, 1)))
    outcomes = await asyncio.gather(*(ask(shopify) for _ in range(5)), return_exceptions=True)
    assert outcomes.count(DATA) >= 2
    assert any(isinstance(one, ThrottledError) for one in outcomes)


async def test_a_429_waits_as_long_as_it_says(ask):
    shopify = Shopify(httpx.Response(429, headers={"Retry-After": "0.3"}), answer())
    began = time.monotonic()
    assert await ask(shopify) == DATA
    assert time.monotonic() - began >= 0.3
    with pytest.raises(ThrottledError):
        await ask(Shopify(httpx.Response(429, headers={"Retry-After": "60"})))


def test_a_budget_comes_back_with_time_and_never_exceeds_its_bucket():
    now = [0.0]
    budgets = Budgets(lambda: now[0])
    assert budgets.wait_seconds(ALICE, 10) == 0
    status = {"maximumAvailable": 100, "currentlyAvailable": 10, "restoreRate": 5}
    budgets.learn(ALICE, "shop", {"cost": {"requestedQueryCost": 20, "throttleStatus": status}})
    assert budgets.cost("shop") == 20
    assert budgets.wait_seconds(ALICE, 20) == 2
    now[0] = 1_000
    assert budgets.wait_seconds(ALICE, 100) == 0
    budgets.reserve(ALICE, 80)
    assert budgets.wait_seconds(ALICE, 30) == 2
    assert budgets.wait_seconds(ALICE, 5_000) == 16, (
        "what no bucket can hold is Shopify's to refuse"
    )
    budgets.settle(ALICE, 80)


@pytest.mark.parametrize(
    "extensions",
    [
        None,
        [],
        {"cost": 7},
        {"cost": {"throttleStatus": {"currentlyAvailable": "x"}}},
        {"cost": {"requestedQueryCost": None}},
    ],
)
def test_a_cost_of_another_shape_is_ignored(extensions):
    budgets = Budgets()
    budgets.learn(ALICE, "shop", extensions)
    assert budgets.wait_seconds(ALICE, 1_000) == 0


# tokens


async def test_a_refused_token_is_renewed_once(ask):
    refused = []

    async def renew(token: str) -> str:
        refused.append(token)
        return "shpat_2"

    shopify = Shopify(httpx.Response(401), answer())
    assert await ask(shopify, renew=renew) == DATA
    assert refused == ["shpat_1"]
    assert [request.headers["X-Shopify-Access-Token"] for request in shopify.asked] == [
        "shpat_1",
        "shpat_2",
    ]
    shopify = Shopify(httpx.Response(401))
    with pytest.raises(TokenRefusedError):
        await ask(shopify, renew=renew)
    assert len(shopify.asked) == 2


async def test_a_refused_token_that_nobody_renews_is_an_error(ask):
    with pytest.raises(TokenRefusedError):
        await ask(Shopify(httpx.Response(401)))


# failures


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (402, "frozen"),
        (403, "not permitted"),
        (404, "does not know"),
        (423, "locked"),
        (430, "security"),
        (400, "400"),
        (302, "302"),
    ],
)
async def test_what_shopify_will_never_do_is_permanent_and_said_plainly(ask, status, sentence):
    shopify = Shopify(httpx.Response(status, json={"errors": "no"}))
    with pytest.raises(ShopifyRefusedError, match=sentence) as refused:
        await ask(shopify)
    assert refused.value.permanent
    assert refused.value.shopify_status == status
    assert len(shopify.asked) == 1


@pytest.mark.parametrize(
    "reply",
    [
        httpx.Response(500),
        httpx.Response(503, text=""),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={}),
        httpx.Response(200, json={"data": None}),
        httpx.ConnectError("x"),
        httpx.ReadTimeout("x"),
        httpx.RemoteProtocolError("x"),
        answer("none", error("INTERNAL_SERVER_ERROR")),
        answer(None, error("INTERNAL_SERVER_ERROR")),
        answer(DATA, error("INTERNAL_SERVER_ERROR", ["codeDiscountNodeByCode"])),
        answer(None, error()),
        answer(DATA, error("NEVER_SEEN")),
    ],
    ids=str,
)
async def test_what_may_have_been_done_is_unavailable_and_not_sent_again(ask, reply):
    shopify = Shopify(reply)
    with pytest.raises(UnavailableError) as failed:
        await ask(shopify)
    assert not failed.value.permanent
    assert len(shopify.asked) == 1


@pytest.mark.parametrize(
    "reply",
    [
        answer("none", error("undefinedField")),
        answer("none", error()),
        answer("none", error("MAX_COST_EXCEEDED")),
        httpx.Response(200, json={"errors": "Not Found"}),
        answer(DATA, error("ACCESS_DENIED", ["codeDiscountNodeByCode"])),
        answer(None, error("ACCESS_DENIED")),
    ],
    ids=str,
)
async def test_what_was_refused_before_it_ran_is_permanent(ask, reply):
    with pytest.raises(ShopifyRefusedError):
        await ask(Shopify(reply))


async def test_data_with_a_hole_further_down_is_returned_and_told_in_the_log(ask):
    data = {
        "codeDiscountNodeByCode": {"id": "gid://shopify/DiscountCodeNode/1", "codeDiscount": None}
    }
    denied = error("ACCESS_DENIED", ["codeDiscountNodeByCode", "codeDiscount"])
    with capture_logs() as logs:
        assert await ask(Shopify(answer(data, denied))) == data
    assert [line["codes"] for line in logs] == [["ACCESS_DENIED"]]


async def test_the_whole_call_ends_at_its_deadline(ask, monkeypatch):
    monkeypatch.setattr(graphql, "DEADLINE_SECONDS", 0.2)

    class Slow(Shopify):
        async def __call__(self, request: httpx.Request) -> httpx.Response:
            await asyncio.sleep(5)
            raise AssertionError

    began = time.monotonic()
    with pytest.raises(UnavailableError):
        await ask(Slow(answer()))
    assert time.monotonic() - began < 1


async def test_an_answer_in_another_api_version_is_told_once(ask):
    with capture_logs() as logs:
        for _ in range(3):
            await ask(Shopify(answer(**{"X-Shopify-API-Version": "2026-10"})))
    assert [(line["log_level"], line["asked"], line["answered"]) for line in logs] == [
        ("warning", "2026-07", "2026-10")
    ]


async def test_no_log_line_holds_a_token_a_code_or_shopifys_words(ask):
    with capture_logs() as logs:
        for reply in (
            httpx.Response(500, text="secret"),
            httpx.ConnectError("secret"),
            answer("none", error("X")),
        ):
            with pytest.raises((UnavailableError, ShopifyRefusedError)):
                await ask(Shopify(reply))
    assert len(logs) == 3
    assert not any(word in str(logs) for word in ("shpat_1", "HF-1", "secret"))
