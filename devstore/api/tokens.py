"""The token endpoint: token exchange and refresh with Shopify's rules."""

import hmac
import json
import secrets
import time
from typing import Any

import jwt
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from devstore.settings import Settings
from devstore.shop import things
from devstore.shop.state import TOKENS_KEPT, State
from devstore.world import World, world_of

ACCESS_SECONDS = 3600
REFRESH_SECONDS = 90 * 24 * 3600
# how long the previous refresh token can be retried after its first use
RETRY_SECONDS = 30 * 24 * 3600
LEEWAY_SECONDS = 10
SCOPE = (
    "read_customers,read_discounts,read_gift_cards,read_orders,read_products,"
    "read_store_credit_account_transactions,read_store_credit_accounts,write_app_proxy,"
    "write_discounts,write_gift_cards,write_store_credit_account_transactions"
)
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105 - a name
OFFLINE = "urn:shopify:params:oauth:token-type:offline-access-token"
ONLINE = "urn:shopify:params:oauth:token-type:online-access-token"


class OAuthError(Exception):
    """Its text is the `error` of the answer."""


async def endpoint(request: Request) -> Response:
    """Answers a token to JSON or a form; every refusal is 400 `{"error": ...}`."""
    world = world_of(request)
    shop = world.state.shop(request.path_params["shop"])
    if refused := await world.trouble.before(shop.domain):
        return refused
    try:
        answer = grant(world, shop, await _fields(request))
    except OAuthError as error:
        return JSONResponse({"error": str(error)}, status_code=400)
    await world.state.saved()
    if lost := await world.trouble.after(shop.domain):
        return lost
    return JSONResponse(answer)


async def _fields(request: Request) -> dict[str, str]:
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            found = json.loads(await request.body())
        except ValueError:
            raise OAuthError("invalid_request") from None
        if not isinstance(found, dict):
            raise OAuthError("invalid_request")
        return {str(name): str(value) for name, value in found.items() if value is not None}
    return {name: value for name, value in (await request.form()).items() if isinstance(value, str)}


def grant(world: World, shop: things.Shop, fields: dict[str, str]) -> dict[str, Any]:
    """The token answer for these fields.

    Raises OAuthError with Shopify's error name.
    """
    settings = world.settings
    secret_is_right = hmac.compare_digest(
        fields.get("client_secret", "").encode(), settings.api_secret.encode()
    )
    if fields.get("client_id") != settings.api_key or not secret_is_right or not shop.is_installed:
        raise OAuthError("invalid_client")
    if fields.get("grant_type") == EXCHANGE:
        return exchange(world.state, settings, shop, fields)
    if fields.get("grant_type") == "refresh_token":
        return refresh(world.state, shop, fields.get("refresh_token", ""))
    raise OAuthError("unsupported_grant_type")


def exchange(
    state: State, settings: Settings, shop: things.Shop, fields: dict[str, str]
) -> dict[str, Any]:
    if fields.get("subject_token_type") != ID_TOKEN:
        raise OAuthError("invalid_request")
    _check_subject(settings, shop, fields.get("subject_token", ""))
    kind = fields.get("requested_token_type", OFFLINE)
    if kind == ONLINE:
        return _online(state, shop)
    if kind != OFFLINE:
        raise OAuthError("invalid_request")
    if fields.get("expiring") != "1":
        return {"access_token": _access(state, shop, None).token, "scope": SCOPE}
    # Acquiring a new expiring token makes earlier refresh tokens useless at once.
    for old in list(state.of_shop("refresh_token", shop.domain)):
        state.drop("refresh_token", old.token)
    return _pair(state, shop)


def _check_subject(settings: Settings, shop: things.Shop, token: str) -> None:
    try:
        claims = jwt.decode(
            token,
            settings.api_secret,
            algorithms=["HS256"],
            audience=settings.api_key,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "nbf", "iss", "dest", "aud", "sub"]},
        )
    except jwt.PyJWTError:
        raise OAuthError("invalid_subject_token") from None
    # A checkout token has no scheme in `dest` and no `iss`, so it cannot be exchanged.
    if (
        claims["dest"] != f"https://{shop.domain}"
        or claims["iss"] != f"https://{shop.domain}/admin"
    ):
        raise OAuthError("invalid_subject_token")


def _access(
    state: State, shop: things.Shop, seconds: int | None, prefix: str = "shpat_"
) -> things.AccessToken:
    made = things.AccessToken(
        prefix + secrets.token_hex(16),
        shop.domain,
        time.time() + seconds if seconds is not None else None,
    )
    state.put("access_token", made.token, made)
    state.keep_newest("access_token", TOKENS_KEPT)
    return made


def _online(state: State, shop: things.Shop) -> dict[str, Any]:
    return {
        "access_token": _access(state, shop, 86399, "shpua_").token,
        "scope": SCOPE,
        "expires_in": 86399,
        "associated_user_scope": SCOPE,
        "associated_user": {
            "id": 902541635,
            "first_name": "Alice",
            "last_name": "Owner",
            "email": f"owner@{shop.handle}.example",
            "email_verified": True,
            "account_owner": True,
            "locale": "en",
            "collaborator": False,
        },
    }


def _pair(state: State, shop: things.Shop) -> dict[str, Any]:
    access = _access(state, shop, ACCESS_SECONDS)
    made = things.RefreshToken(
        "shprt_" + secrets.token_hex(16),
        shop.domain,
        time.time() + REFRESH_SECONDS,
        access_token=access.token,
    )
    state.put("refresh_token", made.token, made)
    state.keep_newest("refresh_token", TOKENS_KEPT)
    return _answer(access, made)


def _answer(access: things.AccessToken, refresh_token: things.RefreshToken) -> dict[str, Any]:
    now = time.time()
    return {
        "access_token": access.token,
        "scope": SCOPE,
        "expires_in": max(0, round((access.expires_at or now) - now)),
        "refresh_token": refresh_token.token,
        "refresh_token_expires_in": max(0, round(refresh_token.expires_at - now)),
    }


def refresh(state: State, shop: things.Shop, token: str) -> dict[str, Any]:
    """A new pair; the old refresh token works again until its successor has been used."""
    now = time.time()
    old: things.RefreshToken | None = state.find("refresh_token", shop.domain, token)
    if old is None or old.expires_at < now:
        raise OAuthError("invalid_grant")
    if old.first_used_at is not None:
        new: things.RefreshToken | None = state.find("refresh_token", shop.domain, old.replacement)
        if new is None or new.first_used_at is not None or now - old.first_used_at > RETRY_SECONDS:
            raise OAuthError("invalid_grant")
        access = state.find("access_token", shop.domain, new.access_token)
        if access is not None and (access.expires_at or 0) > now:
            return _answer(access, new)
        state.drop("refresh_token", new.token)
    answer = _pair(state, shop)
    old.first_used_at = old.first_used_at or now
    old.replacement = answer["refresh_token"]
    state.put("refresh_token", old.token, old)
    return answer


def is_valid(state: State, shop: things.Shop, token: str) -> bool:
    """Whether an Admin API call of that shop may be made with this access token now."""
    found: things.AccessToken | None = state.find("access_token", shop.domain, token)
    return (
        found is not None
        and shop.is_installed
        and (found.expires_at is None or found.expires_at > time.time())
    )


def expire_access(state: State, shop: things.Shop) -> int:
    """Let every access token of the shop run out now; returns how many."""
    found = list(state.of_shop("access_token", shop.domain))
    for token in found:
        token.expires_at = time.time() - 1
        state.put("access_token", token.token, token)
    return len(found)
