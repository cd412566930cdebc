"""Signatures and tokens agree with Shopify's published vectors and its own package."""

import json
from urllib.parse import parse_qsl

import pytest
from shopify_app import ShopifyApp

from devstore import signing
from devstore.settings import Settings
from tests.devstore.conftest import SECRET, SHARED, SHOP, settings_for

VECTORS = SHARED / "vectors" / "hmac-vectors.json"
needs_vectors = pytest.mark.skipif(
    not VECTORS.is_file(), reason="the vectors are not beside this checkout"
)


@pytest.fixture
def settings(tmp_path) -> Settings:
    return settings_for(tmp_path)


@needs_vectors
def test_published_vectors_come_out_the_same() -> None:
    vectors = json.loads(VECTORS.read_text())
    for one in vectors["webhook_body_hmac_base64"]:
        assert signing.webhook_hmac(one["secret"], one["raw_body"].encode()) == one["expected"]
    for one in vectors["app_proxy_signature_hex"]:
        pairs = parse_qsl(one["query"], keep_blank_values=True)
        assert signing.proxy_signature(one["secret"], pairs) == one["expected"]
    plain = vectors["oauth_query_hmac_hex"][0]
    assert signing.query_hmac(plain["secret"], plain["params"].items()) == plain["expected"]


def test_shopifys_own_package_accepts_what_we_sign(settings: Settings) -> None:
    oracle = ShopifyApp(settings.api_key, SECRET)
    query = signing.proxy_query(settings, SHOP, 7, "a=1&a=2&empty=&name=%C3%A9")
    url = f"https://app.test/storefront/me?{query}"
    assert oracle.verify_app_proxy_req({"method": "GET", "headers": {}, "url": url, "body": ""}).ok
    tampered = url.replace("logged_in_customer_id=7", "logged_in_customer_id=8")
    assert not oracle.verify_app_proxy_req(
        {"method": "GET", "headers": {}, "url": tampered, "body": ""}
    ).ok

    headers = {"Authorization": f"Bearer {signing.id_token(settings, SHOP)}"}
    request = {"method": "GET", "headers": headers, "url": "https://app.test/", "body": ""}
    seen = oracle.verify_app_home_req(request, app_home_patch_id_token_path="/auth/patch-id-token")
    assert (seen.ok, seen.shop) == (True, "alice")

    headers = {"Authorization": f"Bearer {signing.extension_token(settings, SHOP, 7)}"}
    request = {
        "method": "GET",
        "headers": headers,
        "url": "https://app.test/checkout/me",
        "body": "",
    }
    assert oracle.verify_checkout_ui_ext_req(request).ok

    body = '{"name":"Zoë"}'
    headers = {
        "X-Shopify-Hmac-Sha256": signing.webhook_hmac(SECRET, body.encode()),
        "X-Shopify-Shop-Domain": SHOP,
        "X-Shopify-Topic": "orders/paid",
        "X-Shopify-API-Version": "2026-07",
        "X-Shopify-Webhook-Id": "1",
    }
    request = {
        "method": "POST",
        "headers": headers,
        "url": "https://app.test/webhooks",
        "body": body,
    }
    assert oracle.verify_webhook_req(request).ok


def test_what_a_caller_forges_does_not_reach_the_app(settings: Settings) -> None:
    forged = "logged_in_customer_id=8&shop=evil.myshopify.com&signature=x&timestamp=1&a=1"
    pairs = parse_qsl(signing.proxy_query(settings, SHOP, None, forged), keep_blank_values=True)
    assert [value for name, value in pairs if name == "logged_in_customer_id"] == [""]
    assert [value for name, value in pairs if name == "shop"] == [SHOP]
    assert [value for name, value in pairs if name == "a"] == ["1"]
