"""Id tokens of admin and tokens of extensions: what proves, and what does not."""

import time
from urllib.parse import quote

import pytest

from app.errors import UnauthorizedError
from app.shopify import verify
from tests.shopify.signing import (
    ALICE,
    MISSING,
    NOW,
    PREVIOUS,
    SECRET,
    UNKNOWN,
    extension_token,
    id_token,
    off,
    proxied,
    signed,
)

SECRETS = (SECRET, PREVIOUS)


# id tokens


@pytest.mark.parametrize("secret", SECRETS)
def test_an_id_token_names_shop_and_member_of_staff(config, secret):
    assert verify.decode_id_token(id_token(secret), config) == verify.Staff(
        ALICE, "42", "session-1"
    )


def test_an_id_token_may_be_up_to_ten_seconds_off(config):
    now = int(time.time())
    assert verify.decode_id_token(id_token(exp=now - 8, nbf=now - 68), config)
    assert verify.decode_id_token(id_token(nbf=now + 8, iat=now + 8), config)


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": off(-15)},
        {"exp": MISSING},
        {"exp": "soon"},
        {"exp": None},
        {"nbf": off(3600)},
        {"nbf": MISSING},
        {"iss": MISSING},
        {"dest": MISSING},
        {"aud": MISSING},
        {"sub": MISSING},
        {"jti": MISSING},
        {"sid": MISSING},
        {"aud": "another-app"},
        {"aud": ["client-id"]},
        {"aud": ["client-id", "another-app"]},
        {"iss": "https://bob.myshopify.com/admin"},
        {"iss": "https://evil.example/admin"},
        {"iss": "http://[/"},
        {"iss": 7},
        {
            "iss": "https://alice.myshopify.com@evil.example/admin",
            "dest": "https://alice.myshopify.com@evil.example",
        },
        {"dest": ALICE},
        {"dest": f"https://{ALICE}/x"},
        {"dest": f"https://{ALICE}\n"},
        {"dest": f"http://{ALICE}"},
        {"dest": "https://evil.example", "iss": "https://evil.example/admin"},
        {"dest": 7},
        {"dest": None},
        {"dest": "https://a.b.myshopify.com", "iss": "https://a.b.myshopify.com/admin"},
    ],
)
def test_an_id_token_that_is_not_as_shopify_makes_it_is_refused(config, changed):
    with pytest.raises(UnauthorizedError):
        verify.decode_id_token(id_token(**changed), config)


@pytest.mark.parametrize("make", [id_token, extension_token])
def test_a_token_signed_otherwise_than_with_hs256_and_our_secret_is_refused(config, make):
    decode = verify.decode_id_token if make is id_token else verify.decode_extension_token
    header, claims, signature = make().split(".")
    refused = [
        make(UNKNOWN),
        make(algorithm="none"),
        make(SECRET * 2, "HS512"),
        "",
        "x",
        "..",
        "é.é.é",
        "\ud800",
        f"{header}.{claims}.",
        f"{header}.{claims}.{signature[:-2]}AA",
        make() + "=" * 9_000,
    ]
    assert decode(f"{header}.{claims}.{signature}", config), (
        "the token itself must be good for this to mean anything"
    )
    for token in refused:
        with pytest.raises(UnauthorizedError):
            decode(token, config)


# checkout and customer-account tokens


@pytest.mark.parametrize("secret", SECRETS)
def test_an_extension_token_names_shop_and_customer(config, secret):
    assert verify.decode_extension_token(extension_token(secret), config) == verify.Caller(
        ALICE, "77"
    )


@pytest.mark.parametrize("subject", [MISSING, ""])
def test_a_buyer_who_is_not_signed_in_is_nobody(config, subject):
    assert verify.decode_extension_token(extension_token(sub=subject), config) == verify.Caller(
        ALICE, None
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": off(-15)},
        {"exp": MISSING},
        {"nbf": off(3600)},
        {"nbf": MISSING},
        {"dest": MISSING},
        {"aud": MISSING},
        {"aud": "another-app"},
        {"aud": ["client-id"]},
        {"dest": f"https://{ALICE}"},
        {"dest": "evil.example"},
        {"dest": 7},
        {"dest": ALICE + "\n"},
        {"sub": "77"},
        {"sub": "gid://shopify/Order/77"},
        {"sub": "gid://shopify/Customer/77\n"},
        {"sub": "gid://shopify/Customer/x"},
        {"sub": 77},
        {"sub": "gid://shopify/Customer/\u0663"},
    ],
)
def test_an_extension_token_that_is_not_as_shopify_makes_it_is_refused(config, changed):
    with pytest.raises(UnauthorizedError):
        verify.decode_extension_token(extension_token(**changed), config)


def test_neither_kind_of_token_serves_as_the_other(config):
    with pytest.raises(UnauthorizedError):
        verify.decode_extension_token(id_token(), config)
    with pytest.raises(UnauthorizedError):
        verify.decode_id_token(extension_token(), config)


def test_what_is_refused_is_not_repeated_in_the_error(config):
    token = id_token(UNKNOWN)
    with pytest.raises(UnauthorizedError) as refused:
        verify.decode_id_token(token, config)
    assert token not in str(refused.value)
    with pytest.raises(UnauthorizedError) as refused:
        verify.verify_proxy(signed(proxied(), UNKNOWN), SECRETS, NOW)
    assert quote(ALICE) not in str(refused.value)
