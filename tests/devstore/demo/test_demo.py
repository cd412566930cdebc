"""The demo shop: the app is opened once, then two months of history arrive."""

from datetime import date

import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from devstore.demo import campaigning, earning, history, spending
from devstore.shop import things
from tests.devstore.conftest import Store


async def test_the_history_comes_once_and_after_the_app_was_opened(store: Store) -> None:
    await history.seed(store.world)
    await history.seed(store.world)
    orders = list(store.world.state.of_shop("order", history.SHOP))
    number = history.ORDERS + len(campaigning.PIECES)
    assert len(orders) == number
    assert len(list(store.world.state.of_shop("customer", history.SHOP))) == 12
    assert any(one.is_test for one in orders)
    assert any(one.customer_id is None for one in orders)
    assert any(one.cancelled_at for one in orders)
    assert any(one.refunds and not one.cancelled_at for one in orders)
    await store.until(lambda: not store.world.webhooks.waiting)
    paths = [request.url.path for request, _ in store.app.requests]
    assert paths[:2] == ["/healthz", "/"]
    assert "id_token" in store.app.requests[1][0].query_params
    assert len(store.app.payloads("orders/paid")) == number


async def test_the_merchant_makes_campaigns_before_the_first_order_is_told(store: Store) -> None:
    number = "0" * 8 + "-0000-4000-8000-" + "0" * 12
    posts: list[str] = []

    def answer(request: Request) -> Response:
        if request.url.path.startswith("/campaigns"):
            posts.append(request.url.path)
            assert request.headers["authorization"].startswith("Bearer ")
        return HTMLResponse(f'<form action="/campaigns/{number}/state">')

    store.app.answer = answer
    await history.seed(store.world)
    wanted = campaigning.campaigns(date(2026, 11, 27))
    assert posts.count("/campaigns") == len(wanted)
    assert posts.count(f"/campaigns/{number}/state") == sum(len(states) for _, states in wanted)
    paths = [request.url.path for request, _ in store.app.requests]
    assert "/webhooks" not in paths[: 2 + len(posts)]


async def test_the_history_waits_for_an_app_that_is_not_up_yet(store: Store) -> None:
    answers = [JSONResponse({}, 503), JSONResponse({})]
    store.app.answer = lambda _: answers.pop(0) if len(answers) > 1 else answers[0]
    await history.seed(store.world)
    assert [request.url.path for request, _ in store.app.requests][:3] == [
        "/healthz",
        "/healthz",
        "/",
    ]


async def test_two_customers_spend_what_the_history_earned_and_one_uses_the_code(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spending, "POLL_SECONDS", 0.05)

    state, now = store.world.state, things.now()
    gift = things.Discount(
        1, 2, history.SHOP, "HF-ONE", "5.00 off", now, now, now, amount_cents=500, usage_limit=1
    )
    asked: list[str] = []
    formed: list[str] = []

    def answer(request: Request) -> Response:
        if request.url.path == "/storefront/me":
            reward = {"id": "1", "cost": 100, "kind": "amount_off", "choose": None}
            return JSONResponse({"points": {"available": 120}, "rewards": [reward]})
        if request.url.path == "/ways":
            formed.append(request.headers["authorization"])
        if request.url.path == "/storefront/redemptions":
            asked.append(request.query_params["logged_in_customer_id"])
            state.put("discount", gift.id, gift)
            return JSONResponse({"redemption": {"code": gift.code}})
        return JSONResponse({})

    store.app.answer = answer
    await history.run(store.world)
    await history.run(store.world)
    assert len(asked) == len(set(asked)) == 2
    paid_with_it = [one for one in state.of_shop("order", history.SHOP) if one.codes]
    assert [(str(one.customer_id), one.codes[0].amount_cents) for one in paid_with_it] == [
        (asked[0], 500)
    ]
    assert len(formed) == len(earning.WAYS) + 1, "and ways to earn are made once"
    await store.until(lambda: not store.world.webhooks.waiting)
    consents = store.app.payloads("customers_email_marketing_consent/update")
    assert len(consents) == earning.SUBSCRIBERS
