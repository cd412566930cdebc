"""Shop names, webhooks and proxied requests: what proves, and what does not."""

from urllib.parse import urlencode

import pytest

from app.errors import BadInputError, UnauthorizedError
from app.shopify import verify
from tests.shopify.signing import (
    ALICE,
    NOW,
    PREVIOUS,
    SECRET,
    UNKNOWN,
    digest,
    proxied,
    signed,
)

SECRETS = (SECRET, PREVIOUS)


# shops


@pytest.mark.parametrize(
    "text", ["alice.myshopify.com", "Alice.MyShopify.com", "4-you.myshopify.com"]
)
def test_a_shop_is_named_in_lower_case(text):
    assert verify.shop_domain(text) == text.lower()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alice",
        "alice.myshopify.com\n",
        " alice.myshopify.com",
        "alice.myshopify.com.evil.example",
        "a.b.myshopify.com",
        "-a.myshopify.com",
        "alice.myshopify.com/",
        "alicemyshopify.com",
        "evil.example/alice.myshopify.com",
        "alice.myshopify.com; script-src *",
        "alice_.myshopify.com",
        "a" * 64 + ".myshopify.com",
        "\u212aate.myshopify.com",
        "\u217e.myshopify.com",
        "alice\uff0emyshopify.com",
        "\u0661.myshopify.com",
    ],
)
def test_anything_else_is_no_shop(text):
    with pytest.raises(BadInputError):
        verify.shop_domain(text)


# webhooks


@pytest.mark.parametrize("secret", SECRETS)
def test_a_webhook_signed_by_the_current_or_the_previous_secret_is_accepted(secret):
    body = b'{"id": 1, "name": "Zo\xc3\xab"}'
    assert verify.webhook_hmac_ok(body, digest(body, secret), SECRETS)


def test_a_webhook_is_proven_over_its_raw_bytes():
    body = b'{"id": 1, \xff\x00}'
    assert verify.webhook_hmac_ok(body, digest(body), SECRETS)
    assert not verify.webhook_hmac_ok(body + b" ", digest(body), SECRETS)


@pytest.mark.parametrize(
    "header", ["", "AAAA", "é" * 44, digest(b"x").lower(), digest(b"x") + "=", " " + digest(b"x")]
)
def test_a_webhook_with_another_digest_is_refused(header):
    assert not verify.webhook_hmac_ok(b"x", header, SECRETS)


def test_a_webhook_signed_by_neither_secret_is_refused():
    assert not verify.webhook_hmac_ok(b"x", digest(b"x", UNKNOWN), SECRETS)
    assert not verify.webhook_hmac_ok(b"x", digest(b"x", PREVIOUS), (SECRET,))
    assert not verify.webhook_hmac_ok(b"x", digest(b"x"), ())


# app proxy


@pytest.mark.parametrize("secret", SECRETS)
def test_a_proxied_request_names_shop_customer_and_where_the_proxy_is(secret):
    caller = verify.verify_proxy(
        signed(proxied(("reward", "a b+c"), ("x", "")), secret), SECRETS, NOW
    )
    assert caller == verify.ProxyCaller(ALICE, "77", "/apps/holdfast")


def test_a_visitor_who_is_not_signed_in_is_nobody():
    assert verify.verify_proxy(signed(proxied(customer="")), SECRETS, NOW).customer_id is None


def test_values_of_a_repeated_parameter_are_signed_together():
    query = signed(proxied(("extra", "2"), ("extra", "1"), ("extra-", "z")))
    assert verify.verify_proxy(query, SECRETS, NOW).customer_id == "77"
    with pytest.raises(UnauthorizedError):
        verify.verify_proxy(query.replace(b"extra=2&extra=1", b"extra=1&extra=2"), SECRETS, NOW)


@pytest.mark.parametrize("seconds", [-90, 0, 90])
def test_a_proxied_request_is_good_for_90_seconds_both_ways(seconds):
    assert verify.verify_proxy(signed(proxied()), SECRETS, NOW + seconds)


@pytest.mark.parametrize("seconds", [-91, 91, 86_400])
def test_a_replayed_proxied_request_is_refused(seconds):
    with pytest.raises(UnauthorizedError, match="too old"):
        verify.verify_proxy(signed(proxied()), SECRETS, NOW + seconds)


@pytest.mark.parametrize(
    "name", ["shop", "signature", "timestamp", "hmac", "logged_in_customer_id", "path_prefix"]
)
def test_a_repeated_parameter_of_shopifys_is_refused_even_when_signed(name):
    with pytest.raises(UnauthorizedError, match="several times"):
        verify.verify_proxy(signed(proxied((name, "1"), (name, "1"))), SECRETS, NOW)


@pytest.mark.parametrize(
    "change",
    [
        (b"id=77", b"id=78"),
        (b"id=77", b"id="),
        (b"alice", b"bob"),
        (b"signature=", b"signature=0"),
        (b"timestamp=1800000000", b"timestamp=1800000001"),
        (b"shop=", b"extra=&shop="),
        (b"signature", b"hmac"),
    ],
)
def test_a_proxied_request_that_was_changed_is_refused(change):
    query = signed(proxied())
    assert change[0] in query
    with pytest.raises(UnauthorizedError):
        verify.verify_proxy(query.replace(*change), SECRETS, NOW)


@pytest.mark.parametrize(
    "query",
    [
        b"",
        b"&&&",
        b"signature=",
        b"shop=alice.myshopify.com",
        b"\xff=1&signature=a",
        b"a=%ff&signature=a",
        b"a&" * 200,
        b"signature=%C3%A9",
    ],
)
def test_a_query_without_a_signature_that_can_be_read_is_refused(query):
    with pytest.raises(UnauthorizedError):
        verify.verify_proxy(query, SECRETS, NOW)


@pytest.mark.parametrize(
    "pairs",
    [
        proxied(timestamp="soon"),
        proxied(timestamp="1.8e9"),
        proxied(timestamp="\u0663"),
        proxied(timestamp=""),
        proxied(customer="77x"),
        proxied(customer="gid://shopify/Customer/77"),
        proxied(customer="7" * 21),
        proxied(shop="evil.example"),
        proxied(shop=ALICE + "\n"),
        proxied(shop=""),
        proxied()[1:],
    ],
)
def test_a_signed_query_with_values_shopify_does_not_send_is_refused(pairs):
    with pytest.raises(UnauthorizedError):
        verify.verify_proxy(signed(pairs), SECRETS, NOW)


def test_a_customer_cannot_be_forged_by_cutting_the_signed_text_elsewhere():
    """Nothing separates the signed values: what a visitor sends in one parameter could be read
    as others.
    """
    honest = proxied(("a", "1logged_in_customer_id=5m="), customer="")
    signature = signed(honest).rpartition(b"=")[2]
    cut = [
        ("a", "1"),
        ("logged_in_customer_id", "5"),
        ("m", "logged_in_customer_id="),
        *honest[1:2],
        *honest[3:],
    ]
    forged = urlencode([*cut, ("signature", signature.decode())]).encode()
    assert signed(cut).rpartition(b"=")[2] == signature, (
        "both readings must sign alike for this test to mean anything"
    )
    for query in (forged, signed(honest)):
        with pytest.raises(UnauthorizedError, match="two ways"):
            verify.verify_proxy(query, SECRETS, NOW)


def test_a_shop_cannot_be_forged_by_cutting_the_signed_text_elsewhere():
    honest = proxied(("shoo", "xshop=aaa.myshopify.com"), ("shoq", "1"))
    signature = signed(honest).rpartition(b"=")[2]
    cut = [("shoo", "x"), ("shop", "aaa.myshopify.com"), (f"shop={ALICE}shoq", "1"), *honest[3:]]
    assert signed(cut).rpartition(b"=")[2] == signature, (
        "both readings must sign alike for this test to mean anything"
    )
    forged = urlencode([*cut, ("signature", signature.decode())]).encode()
    for query in (forged, signed(honest)):
        with pytest.raises(UnauthorizedError, match="two ways"):
            verify.verify_proxy(query, SECRETS, NOW)
