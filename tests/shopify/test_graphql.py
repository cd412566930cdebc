"""Calls of the Admin API: what is sent, renewed, refused, unknown and logged."""

import asyncio
import json
import time

import httpx
import pytest
from structlog.testing import capture_logs

from app.errors import BadInputError, UnavailableError
from app.shopify import graphql
from app.shopify.graphql import ShopifyRefusedError, TokenRefusedError
from tests.shopify.answers import DATA, Shopify, answer, error
from tests.shopify.signing import ALICE

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
    assert time.monotonic() - began < 4


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
