"""Bad input of shoppers at every door: the right status, a plain sentence, one log line, nothing
half-written.
"""

import time
from collections.abc import AsyncIterator, MutableMapping, Sequence
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from structlog.testing import capture_logs

from app import db
from app.points.ledger.audit import verify
from app.points.members import reads
from app.points.rewards import actions
from app.storefront import routes as storefront
from tests.admin.staff import Staff
from tests.conftest import SECRET
from tests.points.world import ALICE, BOB, figures, one
from tests.storefront.callers import CHARLIE, ask, bearer, earn, proxied
from tests.web_app import fresh_process, running_programs
from tests.webhook import ORDER, signed_headers

CHARLIES = "charlie.myshopify.com"
Lines = Sequence[MutableMapping[str, Any]]


@pytest.fixture(autouse=True)
def _fresh_process() -> None:
    fresh_process()


@pytest.fixture
async def http(stores: db.Stores) -> AsyncIterator[httpx2.AsyncClient]:
    """The app with real stores, two installed shops with their rewards, and every service alive."""
    async with running_programs(stores, ALICE, CHARLIES) as asking:
        yield asking


def line(**changed: Any) -> list[dict[str, Any]]:
    return [{**ORDER["line_items"][0], **changed}]


def only(lines: Lines, status: int) -> MutableMapping[str, Any]:
    """The one line about a refusal; it says what the answer said, in words."""
    assert [line["event"] for line in lines] == ["request"], lines
    (said,) = lines
    assert said["status"] == status
    assert said["reason"].endswith(".")
    return said


# shoppers


async def rewards(shop: str = ALICE) -> dict[int, str]:
    return {reward.cost: reward.id for reward in await reads.rewards(shop)}


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (lambda: "/storefront/me", "signature"),
        (lambda: proxied("/storefront/me").replace("signature=", "signature=0"), "signature"),
        (lambda: proxied("/storefront/me", timestamp=str(int(time.time()) - 91)), "too old"),
        (lambda: proxied("/storefront/me").replace(BOB, CHARLIE), "signature"),
        (lambda: proxied("/storefront/me") + f"&logged_in_customer_id={CHARLIE}", "several times"),
        (lambda: proxied("/storefront/me") + "&signature=0", "several times"),
        (lambda: proxied("/storefront/me", extra="shop=other.myshopify.com"), "two ways"),
        (lambda: proxied("/storefront/me", customer="7001; DROP TABLE"), "customer"),
        (lambda: proxied("/storefront/me", shop="alice.myshopify.com.evil.example"), "shop"),
    ],
)
async def test_a_proxy_request_that_proves_nothing_is_one_line_and_tells_nothing(
    http, made, reason: str
) -> None:
    await earn("49.90")
    with capture_logs() as lines:
        answer = await http.get(made())
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")
    assert reason in only(lines, 401)["reason"]
    assert "points" not in answer.json()


async def test_the_previous_secret_proves_and_an_older_one_does_not(
    http, stores, monkeypatch
) -> None:
    rotated = replace(stores, config=replace(stores.config, api_secrets=("the new secret", SECRET)))
    monkeypatch.setattr(
        storefront.verify, "verify_proxy", _with(storefront.verify.verify_proxy, rotated)
    )
    assert (await http.get(proxied("/storefront/me"))).status_code == 200
    gone = replace(
        stores, config=replace(stores.config, api_secrets=("the newest", "the new secret"))
    )
    monkeypatch.setattr(
        storefront.verify, "verify_proxy", _with(storefront.verify.verify_proxy, gone)
    )
    assert (await http.get(proxied("/storefront/me"))).status_code == 401


def _with(real: Any, stores: db.Stores) -> Any:
    real = getattr(real, "real", real)

    def verify_proxy(query: bytes, _secrets: Any, now: float) -> Any:
        return real(query, stores.config.api_secrets, now)

    verify_proxy.real = real  # type: ignore[attr-defined] # to be unwrapped by the next one
    return verify_proxy


@pytest.mark.parametrize(
    ("key", "cost", "status", "code"),
    [
        ("first-key", 500, 409, "conflict"),
        ("second-key", 500, 422, "insufficient_points"),
        ("x", 100, 400, "bad_input"),
    ],
)
async def test_a_redemption_that_cannot_be_is_one_line_and_moves_nothing(
    http, key, cost, status, code
) -> None:
    await earn("250.00")
    known = await rewards()
    held = await actions.redeem(ALICE, BOB, known[100], "first-key", "r")
    before = await figures()
    with capture_logs() as lines:
        answer = await http.post(proxied("/storefront/redemptions"), json=ask(known[cost], key))
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.json()["error"]["message"].endswith(".")
    assert only(lines, status)["error_code"] == code
    assert await figures() == before
    assert await one("SELECT array_agg(id::text) FROM redemptions") == [held.id]
    assert (await verify()).is_sound


async def test_a_key_of_another_customer_or_shop_is_a_key_of_its_own(http) -> None:
    for customer, shop in ((BOB, ALICE), (CHARLIE, ALICE), (BOB, CHARLIES)):
        await earn("100.00", customer, shop)
        held = await actions.redeem(shop, customer, (await rewards(shop))[100], "the-same-key", "r")
        assert held.state == "held"
    assert await one("SELECT count(*) FROM redemptions") == 3


async def test_a_shopper_of_one_shop_is_nobody_in_another(http) -> None:
    await earn("250.00")
    me = (await http.get(proxied("/storefront/me", BOB, CHARLIES))).json()
    assert (me["points"]["available"], me["redemptions"]) == (0, [])
    reward = (await rewards(CHARLIES))[100]
    answer = await http.post(proxied("/storefront/redemptions", BOB, CHARLIES), json=ask(reward))
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "insufficient_points")


async def test_every_answer_to_an_extension_is_open_to_it_also_with_a_slash_too_many(http) -> None:
    for path in ("/checkout/me", "/checkout/me/", "/checkout/", "/checkout/me?page=1"):
        for headers in ({}, bearer()):
            answer = await http.get(path, headers=headers)
            assert answer.headers["access-control-allow-origin"] == "*", path
            assert answer.status_code in {200, 401, 404}, path
    assert "access-control-allow-origin" not in (await http.get("/storefront/me")).headers


async def test_a_body_over_five_megabytes_is_refused_at_every_door(http, stores) -> None:
    large = b"x" * (5 * 1024 * 1024 + 1)
    staff = {"Authorization": f"Bearer {Staff(http, stores.config, ALICE).token()}"}
    for path, headers in (
        ("/webhooks", signed_headers(large, "orders/paid", ALICE, SECRET)),
        (proxied("/storefront/redemptions"), {"Content-Type": "application/json"}),
        ("/checkout/redemptions", bearer()),
        (f"/customers/{BOB}/adjust", staff),
    ):
        answer = await http.post(path, content=large, headers=headers)
        assert answer.status_code == 413, path
        assert "larger than" in answer.text
