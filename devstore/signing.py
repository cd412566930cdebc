"""Shopify's signatures and tokens, made with the app's secret."""

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Iterable
from urllib.parse import parse_qsl, quote, urlencode

import jwt

from devstore.settings import Settings

ID_TOKEN_SECONDS = 60
EXTENSION_TOKEN_SECONDS = 300
STAFF_USER = "902541635"
PROXY_PREFIX = "/apps/holdfast"
PROXY_PARAMETERS = frozenset(
    {"shop", "logged_in_customer_id", "path_prefix", "timestamp", "signature", "hmac"}
)


def _hex(secret: str, message: str) -> str:
    return hmac.new(secret.encode(), message.encode(), hashlib.sha256).hexdigest()


def webhook_hmac(secret: str, body: bytes) -> str:
    """`X-Shopify-Hmac-Sha256`: base64 over the raw body."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def query_hmac(secret: str, parameters: Iterable[tuple[str, str]]) -> str:
    """`hmac` of a launch: sorted, percent-encoded with %20, never +."""
    kept = sorted((key, value) for key, value in parameters if key not in {"hmac", "signature"})
    return _hex(
        secret, "&".join(f"{quote(key, safe='[]')}={quote(value, safe='')}" for key, value in kept)
    )


def proxy_signature(secret: str, parameters: Iterable[tuple[str, str]]) -> str:
    """`signature` of the app proxy: a repeated key's values by commas, no separator of pairs."""
    values: dict[str, list[str]] = {}
    for key, value in parameters:
        if key != "signature":
            values.setdefault(key, []).append(value)
    return _hex(
        secret, "".join(sorted(f"{key}={','.join(found)}" for key, found in values.items()))
    )


def proxy_query(
    settings: Settings, shop: str, customer_id: int | str | None, query: str = ""
) -> str:
    """The query of a request as the app proxy forwards it; what the caller forged is dropped."""
    own = [
        pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] not in PROXY_PARAMETERS
    ]
    own += [
        ("shop", shop),
        ("logged_in_customer_id", str(customer_id or "")),
        ("path_prefix", PROXY_PREFIX),
        ("timestamp", str(int(time.time()))),
    ]
    return urlencode([*own, ("signature", proxy_signature(settings.api_secret, own))])


def proxied_url(
    settings: Settings, shop: str, path: str, customer_id: int | str | None, query: str = ""
) -> str:
    """The address the app sees when its proxy is asked for `path`, signed for this moment."""
    signed = proxy_query(settings, shop, customer_id, query)
    return f"{settings.app_url}/storefront/{path.lstrip('/')}?{signed}"


def id_token(
    settings: Settings, shop: str, *, user: str = STAFF_USER, seconds: int = ID_TOKEN_SECONDS
) -> str:
    """The token of an admin page, good for one minute."""
    now = int(time.time())
    claims = {
        "iss": f"https://{shop}/admin",
        "dest": f"https://{shop}",
        "aud": settings.api_key,
        "sub": user,
        "exp": now + seconds,
        "nbf": now,
        "iat": now,
        "jti": str(uuid.uuid4()),
        "sid": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{shop}/{user}")),
    }
    sig = _hex(settings.api_secret, json.dumps(claims, sort_keys=True))
    return jwt.encode({**claims, "sig": sig}, settings.api_secret, algorithm="HS256")


def extension_token(settings: Settings, shop: str, customer_id: int | str | None) -> str:
    """The token of extensions: no `iss`, no `sid`, and `dest` without a scheme."""
    now = int(time.time())
    claims = {
        "dest": shop,
        "aud": settings.api_key,
        "exp": now + EXTENSION_TOKEN_SECONDS,
        "nbf": now,
        "iat": now,
        "jti": str(uuid.uuid4()),
    }
    if customer_id:
        claims["sub"] = f"gid://shopify/Customer/{customer_id}"
    return jwt.encode(claims, settings.api_secret, algorithm="HS256")


def launch_query(settings: Settings, shop: str) -> list[tuple[str, str]]:
    """What Shopify adds to the address of a document it opens inside the admin."""
    handle = shop.removesuffix(".myshopify.com")
    host = base64.b64encode(f"admin.shopify.com/store/{handle}".encode()).decode().rstrip("=")
    parameters = [
        ("embedded", "1"),
        ("host", host),
        ("id_token", id_token(settings, shop)),
        ("locale", "en"),
        ("session", hashlib.sha256(f"{shop}/{STAFF_USER}".encode()).hexdigest()),
        ("shop", shop),
        ("timestamp", str(int(time.time()))),
    ]
    return [*parameters, ("hmac", query_hmac(settings.api_secret, parameters))]
