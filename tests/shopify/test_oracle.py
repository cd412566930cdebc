"""Shopify's own library says the same as we do of anything at all, except where its checks are
known to be thinner.
"""

import time
from urllib.parse import quote, urlencode

import pytest
import shopify_app
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from app.errors import UnauthorizedError
from app.shopify import verify
from app.shopify.admin_session import document_headers
from tests.shopify.signing import (
    ALICE,
    CLIENT_ID,
    MISSING,
    PREVIOUS,
    SECRET,
    UNKNOWN,
    digest,
    extension_token,
    id_token,
    proxied,
    signed,
)

SECRETS = (SECRET, PREVIOUS)
APP = shopify_app.ShopifyApp(CLIENT_ID, SECRET, PREVIOUS)
thoroughly = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

secrets = st.sampled_from([SECRET, PREVIOUS, UNKNOWN])
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
names = st.text("abXz-_.[]=1é", min_size=1, max_size=4)


def asked(
    url: str = "https://app.example/", method: str = "GET", body: str = "", **headers: str
) -> dict:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return {"method": method, "url": url, "headers": named, "body": body}


def is_accepted(check, *arguments) -> bool:
    try:
        check(*arguments)
    except UnauthorizedError:
        return False
    return True


# webhooks


@thoroughly
@given(body=texts, secret=secrets, damage=st.sampled_from(["", "A", " ", "="]))
def test_webhooks(body, secret, damage):
    header = damage + digest(body.encode(), secret)
    told = APP.verify_webhook_req(asked(method="POST", body=body, X_Shopify_Hmac_Sha256=header))
    assert told.ok == verify.webhook_hmac_ok(body.encode(), header, SECRETS)
    assert told.ok == (not damage and secret != UNKNOWN)


# app proxy


def proxy_told(query: bytes) -> bool:
    return APP.verify_app_proxy_req(asked(f"https://app.example/storefront/me?{query.decode()}")).ok


def proxy_ours(query: bytes) -> bool:
    return is_accepted(verify.verify_proxy, query, SECRETS, time.time())


def joined(pairs: list[tuple[str, str]], name: str) -> str:
    return ",".join(value for other, value in pairs if other == name)


@thoroughly
@given(
    extra=st.lists(st.tuples(names, texts), max_size=4),
    secret=secrets,
    age=st.sampled_from([-3600, -100, -80, 0, 80, 100, 3600]),
    customer=st.sampled_from(["", "77"]),
)
@example(extra=[("a", "2"), ("a", "1"), ("b", "")], secret=SECRET, age=0, customer="")
@example(extra=[("1", "1"), ("1=", "")], secret=SECRET, age=0, customer="")
def test_proxied_requests(extra, secret, age, customer):
    # Shopify's library sorts by name where the description sorts `name=value`: these differ for a
    # name that another one begins with, as `a` and `a-b`, because `-` comes before `=`, or `a=` and
    # the value it meets there
    pairs = proxied(*extra, customer=customer, timestamp=int(time.time()) - age)
    by_name = sorted(pairs, key=lambda pair: pair[0])
    assume(by_name == sorted(by_name, key=lambda pair: "=".join((pair[0], joined(pairs, pair[0])))))
    query = signed(pairs, secret)
    assert proxy_ours(query) == proxy_told(query) == (secret != UNKNOWN and abs(age) <= 90)


@thoroughly
@given(at=st.integers(0, 400), byte=st.sampled_from(b"a0&=%+"))
def test_proxied_requests_that_were_damaged(at, byte):
    query = bytearray(signed(proxied(("x", "y"), timestamp=int(time.time()))))
    query[at % len(query)] = byte
    assert not proxy_ours(bytes(query)) or proxy_told(bytes(query))


@pytest.mark.parametrize("name", ["timestamp", "logged_in_customer_id"])
def test_we_are_stricter_with_repeated_parameters(name):
    pairs = proxied(timestamp=int(time.time()))
    query = signed([*pairs, next(pair for pair in pairs if pair[0] == name)])
    assert not proxy_ours(query)
    if name == "logged_in_customer_id":
        assert proxy_told(query), "if the library refuses this too, it is no difference any more"


def test_we_are_stricter_with_texts_that_can_be_cut_in_two_ways():
    query = signed(proxied(("a", "1logged_in_customer_id=5"), timestamp=int(time.time())))
    assert proxy_told(query)
    assert not proxy_ours(query)


def test_we_are_stricter_with_what_shopify_calls_a_shop():
    query = signed(proxied(shop="evil.example", timestamp=int(time.time())))
    assert proxy_told(query)
    assert not proxy_ours(query)


# tokens


claims_changed = st.fixed_dictionaries(
    {},
    optional={
        "exp": st.integers(-120, 120).filter(lambda seconds: abs(seconds + 10) > 2),
        "nbf": st.integers(-120, 120).filter(lambda seconds: abs(seconds - 10) > 2),
        "aud": st.sampled_from([CLIENT_ID, "another-app", ""]),
        "jti": texts.filter(bool),
    },
)


def moved(changed: dict) -> dict:
    now = int(time.time())
    return {
        name: now + value if isinstance(value, int) else value for name, value in changed.items()
    }


@thoroughly
@given(
    changed=claims_changed,
    secret=secrets,
    algorithm=st.sampled_from(["HS256", "HS256", "HS384", "none"]),
)
def test_id_tokens(config, changed, secret, algorithm):
    token = id_token(secret, algorithm, **moved(changed))
    ours = is_accepted(verify.decode_id_token, token, config)
    by_header = APP.verify_app_home_req(
        asked(Authorization=f"Bearer {token}"), "/auth/patch-id-token"
    )
    by_address = APP.verify_app_home_req(
        asked(f"https://app.example/?id_token={quote(token)}"), "/auth/patch-id-token"
    )
    assert ours == by_header.ok == by_address.ok


@thoroughly
@given(
    changed=claims_changed,
    secret=secrets,
    customer=st.sampled_from([MISSING, "gid://shopify/Customer/77"]),
)
def test_extension_tokens(config, changed, secret, customer):
    token = extension_token(secret, **moved(changed), sub=customer)
    ours = is_accepted(verify.decode_extension_token, token, config)
    request = asked(Authorization=f"Bearer {token}")
    assert (
        ours
        == APP.verify_checkout_ui_ext_req(request).ok
        == APP.verify_customer_account_ui_ext_req(request).ok
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": MISSING},
        {"nbf": MISSING},
        {"iss": "https://bob.myshopify.com/admin"},
        {"sid": MISSING},
        {"dest": "https://evil.example", "iss": "https://evil.example/admin"},
    ],
)
def test_we_are_stricter_with_id_tokens(config, changed):
    token = id_token(**changed)
    assert APP.verify_app_home_req(
        asked(Authorization=f"Bearer {token}"), "/auth/patch-id-token"
    ).ok
    assert not is_accepted(verify.decode_id_token, token, config)


@pytest.mark.parametrize("changed", [{"exp": MISSING}, {"dest": "evil.example"}, {"sub": "77"}])
def test_we_are_stricter_with_extension_tokens(config, changed):
    token = extension_token(**changed)
    assert APP.verify_checkout_ui_ext_req(asked(Authorization=f"Bearer {token}")).ok
    assert not is_accepted(verify.decode_extension_token, token, config)


# pages


def test_the_patch_page_is_asked_for_in_the_same_words(config):
    path = "/customers/7"
    query = urlencode({"shop": ALICE, "host": "abc", "embedded": "1", "locale": "de", "q": "a b"})
    told = APP.verify_app_home_req(
        asked(f"https://app.example{path}?{query}&id_token=x"), "/auth/patch-id-token"
    )
    ours = _answer_to(path, f"{query}&id_token=x", config)
    assert told.response.status == ours.status_code == 302
    assert told.response.headers["Location"] == "https://app.example" + ours.headers["location"]


def test_we_are_stricter_with_a_shop_that_would_widen_who_may_frame_us(config):
    shop = f"{ALICE} https://evil.example"
    url = f"https://app.example/auth/patch-id-token?shopify-reload=%2F&shop={quote(shop)}"
    told = APP.app_home_patch_id_token(asked(url))
    assert "evil.example" in told.response.headers["Content-Security-Policy"]
    with pytest.raises(verify.BadInputError):
        document_headers(shop, config)


def _answer_to(path: str, query: str, config):
    from starlette.requests import Request

    from app.shopify.admin_session import ask_for_token

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": query.encode(),
        "headers": [],
    }
    return ask_for_token(Request({**scope, "server": ("app.example", 443), "scheme": "https"}))
