"""Shopify's side: signatures and tokens, made here from the description alone, not with the
code under test.
"""

import base64
import hashlib
import hmac
import json
import time
import uuid
from urllib.parse import urlencode

import jwt

# long enough for HS512, with which some of the forged tokens are signed
SECRET = "current-secret-" * 5
PREVIOUS = "previous-secret-" * 5
UNKNOWN = "somebody-elses-secret-" * 5
CLIENT_ID = "client-id"
ALICE = "alice.myshopify.com"
NOW = 1_800_000_000
MISSING = object()


def off(seconds: int) -> int:
    return int(time.time()) + seconds


def digest(body: bytes, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def signed(pairs: list[tuple[str, str]], secret: str = SECRET) -> bytes:
    """A proxied query with its signature; `pairs` may repeat a name."""
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    message = "".join(sorted(f"{name}={','.join(many)}" for name, many in values.items()))
    signature = hmac.new(secret.encode(), message.encode(), hashlib.sha256).hexdigest()
    return urlencode([*pairs, ("signature", signature)]).encode()


def proxied(
    *extra: tuple[str, str], customer: str = "77", timestamp: object = NOW, shop: str = ALICE
) -> list:
    """The parameters Shopify adds, and those the visitor sent."""
    return [
        *extra,
        ("shop", shop),
        ("logged_in_customer_id", customer),
        ("path_prefix", "/apps/holdfast"),
        ("timestamp", str(timestamp)),
    ]


def id_token(secret: str = SECRET, algorithm: str = "HS256", **changed: object) -> str:
    """An id token as App Bridge gets it; a claim given as MISSING is left out."""
    now = int(time.time())
    claims = {
        "iss": f"https://{ALICE}/admin",
        "dest": f"https://{ALICE}",
        "aud": CLIENT_ID,
        "sub": "42",
        "exp": now + 60,
        "nbf": now,
        "iat": now,
        "jti": str(uuid.uuid4()),
        "sid": "session-1",
        **changed,
    }
    return _encoded(claims, secret, algorithm)


def extension_token(secret: str = SECRET, algorithm: str = "HS256", **changed: object) -> str:
    """A session token of a checkout or customer-account extension; a claim given as MISSING is
    left out.
    """
    now = int(time.time())
    claims = {
        "dest": ALICE,
        "aud": CLIENT_ID,
        "exp": now + 300,
        "nbf": now,
        "iat": now,
        "jti": str(uuid.uuid4()),
        "sub": "gid://shopify/Customer/77",
        **changed,
    }
    return _encoded(claims, secret, algorithm)


def _encoded(claims: dict, secret: str, algorithm: str) -> str:
    kept = {name: value for name, value in claims.items() if value is not MISSING}
    # not jwt.encode: that refuses to write some of the claims a forger would
    return jwt.PyJWS().encode(
        json.dumps(kept).encode(), None if algorithm == "none" else secret, algorithm
    )
