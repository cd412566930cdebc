"""Proofs of who is asking: webhook digests, app proxy signatures, id tokens and the tokens of
extensions.
"""

import hmac
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import jwt
from shopify import session_token

from app.config import Config
from app.errors import BadInputError, UnauthorizedError

SHOP = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\.myshopify\.com")
CUSTOMER_ID = re.compile(r"[0-9]{1,20}")
CUSTOMER_GID = re.compile(r"gid://shopify/Customer/([0-9]{1,20})")
TIMESTAMP = re.compile(r"[0-9]{1,12}")
PROXY_WINDOW_SECONDS = 90  # both ways, as Shopify's own libraries do
PROXY_FIELDS_MAX = 100
PROXY_SINGLE = ("shop", "signature", "timestamp", "hmac", "logged_in_customer_id", "path_prefix")
LEEWAY_SECONDS = 10  # for clocks that disagree, as Shopify's own libraries do
TOKEN_LENGTH_MAX = 8_192


@dataclass(frozen=True, slots=True)
class ProxyCaller:
    """A visitor of the shop's storefront; `customer_id` is None when not signed in."""

    shop: str
    customer_id: str | None
    path_prefix: (
        str  # where the shop has the proxy, such as /apps/holdfast; merchants can change it
    )


@dataclass(frozen=True, slots=True)
class Staff:
    """A member of the shop's staff in admin."""

    shop: str
    user_id: str
    session_id: str


@dataclass(frozen=True, slots=True)
class Caller:
    """A buyer in checkout or customer account; `customer_id` is None when unknown."""

    shop: str
    customer_id: str | None


def shop_domain(text: str) -> str:
    """`name.myshopify.com` in lower case, the name Shopify never changes. Raises BadInputError for
    anything else.
    """
    domain = text.lower()
    if not text.isascii() or not SHOP.fullmatch(domain):  # the Kelvin sign in lower case is a k
        raise BadInputError("That is not the address of a Shopify shop.")
    return domain


def webhook_hmac_ok(body: bytes, header: str, secrets: Sequence[str]) -> bool:
    """Whether `header` (X-Shopify-Hmac-Sha256) is the digest of the raw `body` by any of
    `secrets`: base64 of its HMAC-SHA256. The body alone is signed, no header is.
    """
    given = header.encode("utf-8", "replace")
    return any(
        hmac.compare_digest(b64encode(hmac.digest(secret.encode(), body, "sha256")), given)
        for secret in secrets
    )


def verify_proxy(query_string: bytes, secrets: Sequence[str], now: float) -> ProxyCaller:
    """Who Shopify says is asking through the app proxy; `now` in seconds since 1970.

    The signature is the hex HMAC-SHA256 of all other parameters as `name=value`, decoded, sorted
    and joined with nothing between; values of a repeated name are joined with a comma. It proves
    the query only, not a body. Raises UnauthorizedError.
    """
    pairs = _pairs(query_string)
    counts = Counter(name for name, _ in pairs)
    if any(counts[name] > 1 for name in PROXY_SINGLE):
        raise UnauthorizedError("A parameter that Shopify sends once came several times.")
    values = dict(pairs)
    message = _proxy_message(pairs)
    given = values.get("signature", "").encode()
    if not any(hmac.compare_digest(_hex(secret, message), given) for secret in secrets):
        raise UnauthorizedError("The request does not carry Shopify's signature.")
    # Nothing separates the signed values, so one of them could hold another parameter's name and be
    # cut apart there: a shopper of one shop would speak for somebody of another, or for longer than
    # 90 s.
    if any(message.count(f"{name}=".encode()) > 1 for name in PROXY_SINGLE):
        raise UnauthorizedError("The signed query can be read in two ways.")
    return _proxy_caller(values, now)


def _pairs(query_string: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            query_string.decode(),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=PROXY_FIELDS_MAX,
        )
    except ValueError:  # not UTF-8, or too many
        raise UnauthorizedError("The query cannot be read.") from None


def _proxy_message(pairs: Sequence[tuple[str, str]]) -> bytes:
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        if name != "signature":
            values.setdefault(name, []).append(value)
    return "".join(sorted(f"{name}={','.join(many)}" for name, many in values.items())).encode()


def _hex(secret: str, message: bytes) -> bytes:
    return hmac.digest(secret.encode(), message, "sha256").hex().encode()


def _proxy_caller(values: dict[str, str], now: float) -> ProxyCaller:
    timestamp = values.get("timestamp", "")
    if not TIMESTAMP.fullmatch(timestamp) or abs(now - int(timestamp)) > PROXY_WINDOW_SECONDS:
        raise UnauthorizedError("The signed request is too old. Please reload the page.")
    customer_id = values.get("logged_in_customer_id") or None
    if customer_id is not None and not CUSTOMER_ID.fullmatch(customer_id):
        raise UnauthorizedError("The customer of the signed request cannot be read.")
    return ProxyCaller(
        _proven_shop(values.get("shop", "")), customer_id, values.get("path_prefix", "")
    )


def decode_id_token(token: str, config: Config) -> Staff:
    """Who in admin asks, from App Bridge's id token: a JWT of a minute, signed HS256 with the
    client secret, whose `dest` is the shop and `sub` the member of staff. Raises
    UnauthorizedError.
    """
    _check_length(token)
    for secret in config.api_secrets:
        try:
            # pins HS256, checks signature, audience and times, requires iss dest sub jti sid, iss
            # host = dest host
            # ShopifyAPI has no annotations
            claims = session_token.decode_from_header(  # type: ignore[no-untyped-call]
                f"Bearer {token}", config.api_key, secret
            )
        except (session_token.SessionTokenError, TypeError, ValueError):
            continue
        return _staff(claims, config)
    raise UnauthorizedError("The id token is not valid or has run out.")


def _staff(claims: dict[str, Any], config: Config) -> Staff:
    # The library lets a token without an end pass, and a list of audiences.
    if not {"exp", "nbf"} <= claims.keys() or claims["aud"] != config.api_key:
        raise UnauthorizedError("The id token lacks what every id token has.")
    shop = _proven_shop(str(claims["dest"]).removeprefix("https://"))
    if claims["dest"] != f"https://{shop}":
        raise UnauthorizedError("The id token names no shop.")
    return Staff(shop, str(claims["sub"]), str(claims["sid"]))


def decode_extension_token(token: str, config: Config) -> Caller:
    """Which buyer a checkout or account extension speaks for: `dest` is the bare shop, `sub` the
    customer's gid, absent for a guest. Raises UnauthorizedError.

    ShopifyAPI cannot read these: it wants iss, sid and a scheme in dest.
    """
    _check_length(token)
    for secret in config.api_secrets:
        try:
            claims = jwt.decode(
                token,
                secret,
                algorithms=["HS256"],
                audience=config.api_key,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "nbf", "aud", "dest"], "strict_aud": True},
            )
        except (jwt.PyJWTError, TypeError, ValueError):
            continue
        return Caller(_proven_shop(str(claims["dest"])), _customer(claims.get("sub")))
    raise UnauthorizedError("The session token is not valid or has run out.")


def _customer(subject: str | None) -> str | None:
    if not subject:
        return None
    found = CUSTOMER_GID.fullmatch(subject)
    if found is None:
        raise UnauthorizedError("The session token names no customer.")
    return found[1]


def _check_length(token: str) -> None:
    if len(token) > TOKEN_LENGTH_MAX:
        raise UnauthorizedError("The token is longer than any real one.")


def _proven_shop(text: str) -> str:
    try:
        return shop_domain(text)
    except BadInputError as error:
        raise UnauthorizedError("The proof names no Shopify shop.") from error
