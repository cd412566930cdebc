"""People can buy, redeem, refund and look around; strangers cannot make their browser do it."""

import re
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from starlette.responses import JSONResponse, RedirectResponse

from tests.devstore.api.test_graphql import CREATE, ask, five_off
from tests.devstore.conftest import SECRET, SHOP, Store

FRONT = f"/shops/{SHOP}"


async def sign_in(store: Store, customer_id: str) -> None:
    answer = await store.http.post(f"{FRONT}/sign-in", data={"customer_id": customer_id})
    assert answer.status_code == 303


async def add_mug(store: Store) -> None:
    mug = next(one for one in store.world.state.of_shop("product", SHOP) if one.picture == "mug")
    fields = {"product_id": str(mug.id), "add": "2"}
    assert (await store.http.post(f"{FRONT}/cart", data=fields)).status_code == 303


async def test_a_shopper_buys_with_a_code_and_the_merchant_refunds_a_piece(store: Store) -> None:
    bob = await store.customer()
    await ask(store, CREATE, {"input": five_off(bob)})
    await sign_in(store, bob)
    await add_mug(store)
    assert (await store.http.get(f"{FRONT}/discount/HOLD-1")).headers["location"] == f"{FRONT}/cart"
    page = (await store.http.get(f"{FRONT}/checkout")).text
    assert "Discount HOLD-1" in page
    assert "$38.48" in page  # 31.00, 2.48 taxes, 5.00 shipping
    placed = await store.http.post(f"{FRONT}/checkout", data={"payment": "now"})
    address = placed.headers["location"].partition("?")[0]
    order = (await store.control("GET", f"shops/{SHOP}/orders"))[0]
    assert address == f"{FRONT}/orders/{order['id']}"
    assert [order["customer"]["id"], order["total_price"]] == [int(bob), "38.48"]
    line = order["line_items"][0]["id"]
    await store.http.post(
        address, data={"action": "refund_lines", f"line_{line}": "1", "note": "Chipped"}
    )
    assert "Chipped" in (await store.http.get(address)).text
    await store.until(lambda: store.app.payloads("refunds/create"))
    assert store.app.payloads("refunds/create")[0]["refund_line_items"][0]["subtotal"] == 15.5


async def test_somebody_elses_code_is_refused_with_a_sentence(store: Store) -> None:
    bob, charlie = await store.customer("Bob"), await store.customer("Charlie")
    await ask(store, CREATE, {"input": five_off(bob)})
    await sign_in(store, charlie)
    await add_mug(store)
    await store.http.post(f"{FRONT}/codes", data={"code": "HOLD-1"})
    assert "not available to this customer" in (await store.http.get(f"{FRONT}/checkout")).text
    refused = await store.http.post(f"{FRONT}/checkout", data={"payment": "now"})
    assert refused.headers["location"].startswith(f"{FRONT}/checkout?said=")
    assert await store.control("GET", f"shops/{SHOP}/orders") == []


async def test_a_link_with_a_discount_never_leads_to_another_site(store: Store) -> None:
    for where in ("https://evil.example", "//evil.example", "/\\evil.example"):
        answer = await store.http.get(f"{FRONT}/discount/X", params={"redirect": where})
        assert answer.headers["location"] == f"{FRONT}/cart"


async def test_the_app_proxy_signs_and_strips_cookies_both_ways(store: Store) -> None:
    bob = await store.customer()
    await sign_in(store, bob)

    def answer(_):
        response = JSONResponse({"hello": "Bob"}, 418)
        response.set_cookie("evil", "1")
        return response

    store.app.answer = answer
    seen = await store.http.post(
        f"{FRONT}/apps/holdfast/redemptions?a=1&logged_in_customer_id=666", json={"reward_id": 1}
    )
    assert (seen.status_code, seen.json()) == (418, {"hello": "Bob"})
    assert "set-cookie" not in seen.headers
    request, body = store.app.requests[-1]
    assert body == b'{"reward_id":1}'
    assert "cookie" not in request.headers
    assert request.url.path == "/storefront/redemptions"
    assert request.query_params.getlist("logged_in_customer_id") == [bob]
    assert request.query_params["path_prefix"] == "/apps/holdfast"
    assert request.headers["x-forwarded-host"] == SHOP


async def test_the_app_proxy_follows_redirects_and_says_when_the_app_is_away_or_slow(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.app.answer = lambda request: (
        RedirectResponse("/storefront/there")
        if request.url.path.endswith("here") and "there" not in request.url.path
        else JSONResponse({"at": request.url.path})
    )
    assert (await store.http.get(f"{FRONT}/apps/holdfast/here")).json() == {
        "at": "/storefront/there"
    }
    for error, status in (
        (httpx.ConnectError, 502),
        (httpx.ReadTimeout, 504),
        (httpx.ReadError, 502),
    ):

        async def fail(*_, error=error, **__):
            raise error("away")

        monkeypatch.setattr(store.world.client, "request", fail)
        assert (await store.http.get(f"{FRONT}/apps/holdfast/me")).status_code == status


async def test_the_admin_opens_the_app_with_all_that_shopify_adds(store: Store) -> None:
    answer = await store.http.get("/store/alice/open", params={"path": "/customers?page=2"})
    target = urlsplit(answer.headers["location"])
    query = {name: values[0] for name, values in parse_qs(target.query).items()}
    assert (target.netloc, target.path, query["page"]) == ("app.test", "/customers", "2")
    assert {
        "embedded",
        "host",
        "id_token",
        "locale",
        "session",
        "shop",
        "timestamp",
        "hmac",
    } <= query.keys()
    claims = jwt.decode(query["id_token"], SECRET, algorithms=["HS256"], audience="dev-key")
    assert claims["dest"] == f"https://{SHOP}"
    assert claims["iss"] == f"https://{SHOP}/admin"
    assert claims["exp"] - claims["iat"] == 60
    assert {"sub", "nbf", "jti", "sid", "sig"} <= claims.keys()
    outside = await store.http.get("/store/alice/open", params={"path": "//evil.example/"})
    assert urlsplit(outside.headers["location"]).netloc == "app.test"


async def test_every_page_opens_and_escapes_what_people_typed(store: Store) -> None:
    evil = "<script>alert(1)</script>"
    bob = await store.customer()
    await store.control(
        "PATCH", f"shops/{SHOP}/customers/{bob}", {"first_name": evil, "last_name": "עברית 🎁"}
    )
    order = await store.order(bob, lines=[{"title": evil, "price": "1.00"}])
    pages = [
        "/",
        "/store/alice",
        "/store/alice/orders",
        "/store/alice/customers",
        "/store/alice/settings",
        f"{FRONT}/",
        f"{FRONT}/cart",
        f"{FRONT}/checkout",
        f"{FRONT}/orders/{order['id']}",
        "/deliveries",
        "/break",
    ]
    for page in pages:
        answer = await store.http.get(page, params={"said": evil})
        assert answer.status_code == 200, page
        assert evil not in answer.text, page
        assert not re.search(r'(?:src|href)="https?://(?!app\.test/)', answer.text), (
            "no outside resources"
        )


async def test_another_site_cannot_press_our_buttons(store: Store) -> None:
    headers = {"Origin": "https://evil.example"}
    assert (await store.http.post("/store/alice/uninstall", headers=headers)).status_code == 403
    assert store.shop.is_installed
    headers = {"Origin": "http://store.test"}
    assert (await store.http.post("/store/alice/uninstall", headers=headers)).status_code == 303
    assert not store.shop.is_installed
    assert "not installed" in (await store.http.get("/store/alice/open")).text
    await store.http.post("/store/alice/install")
    assert store.shop.is_installed


@pytest.mark.parametrize(
    "shop", ["alice.example.com", "-.myshopify.com", "a.myshopify.com.evil.example", "alice"]
)
async def test_only_myshopify_shops_exist(store: Store, shop: str) -> None:
    assert (await store.http.get(f"/shops/{shop}/")).status_code == 404
    assert (await store.http.get(f"/control/shops/{shop}/orders")).status_code == 404


async def test_control_refuses_nonsense_with_a_sentence(store: Store) -> None:
    order = await store.order()
    bad = [
        (f"shops/{SHOP}/orders", {"lines": []}),
        (f"shops/{SHOP}/orders", {"lines": [{"price": "ten"}]}),
        (f"shops/{SHOP}/orders", {"lines": [{"price": "1.00", "quantity": -1}]}),
        (f"shops/{SHOP}/orders", {"customer_id": 7, "lines": [{"price": "1.00"}]}),
        (f"shops/{SHOP}/orders/{order['id']}/refund", {}),
        (f"shops/{SHOP}/orders/{order['id']}/refund", {"amount": "999999.00"}),
        ("webhooks", {"duplicate_ratio": 2}),
        ("webhooks", {"time_scale": 0}),
        ("processes", {"name": "web", "action": "explode"}),
    ]
    for path, body in bad:
        answer = await store.http.post(f"/control/{path}", json=body)
        assert answer.status_code in {409, 422}, (path, body)
        assert answer.json()["error"]
