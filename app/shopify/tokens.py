"""Access tokens: exchanged for an id token, refreshed before they run out, encrypted before
they are stored.
"""

import asyncio
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import httpx
import msgspec
import stamina
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from app.config import Config
from app.errors import HoldfastError, UnauthorizedError, UnavailableError
from app.shopify.verify import shop_domain
from app.telemetry import logs, traces

REFRESH_BEFORE_SECONDS = 300  # as Shopify's own libraries do
TRIES = 3
DEADLINE_SECONDS = 5.0  # all tries and the waits between them: slow counts as down
TRY_SECONDS = 2.5
SECONDS_MAX = 10 * 365 * 86_400
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105 - a name, no secret
ONLINE = "urn:shopify:params:oauth:token-type:online-access-token"
OFFLINE = "urn:shopify:params:oauth:token-type:offline-access-token"
# what a 401 of the endpoint says, no secret
NO_ACTIVE_TOKEN = "requires an active refresh_token"  # noqa: S105

AWAY = "Shopify is not answering at the moment."

log = logs.logger()


class InvalidSubjectError(UnauthorizedError):
    """Shopify did not take the id token; it lives a minute, and a fresh one can help."""

    code = "invalid_subject_token"


class GrantLostError(HoldfastError):
    """The refresh token is dead: only a merchant who opens the app can bring a new grant."""

    status, permanent, code = 503, True, "needs_reopen"


class GrantRefusedError(HoldfastError):
    """Shopify gives this shop's token to nobody, or not to us: uninstalled, frozen, wrong
    client secret.
    """

    status, permanent, code = 503, True, "grant_refused"


@dataclass(frozen=True, slots=True)
class Grant:
    """What Shopify gave; tokens stay out of its repr. Times are aware, None means without end."""

    access_token: str = field(repr=False)
    access_expires_at: datetime | None
    refresh_token: str | None = field(repr=False)
    refresh_expires_at: datetime | None
    scopes: str


class _Answer(msgspec.Struct):
    access_token: str
    scope: str = ""
    expires_in: float | None = None
    refresh_token: str | None = None
    refresh_token_expires_in: float | None = None


class _User(msgspec.Struct):
    first_name: str = ""
    last_name: str = ""


class _OnlineAnswer(msgspec.Struct):
    associated_user: _User


class _Refusal(msgspec.Struct):
    error: str = ""


async def exchange(client: httpx.AsyncClient, config: Config, shop: str, id_token: str) -> Grant:
    """A new expiring offline token for a member of staff's id token, by token exchange.

    It makes every earlier refresh token of the shop useless, so only when there is no usable one.
    Raises InvalidSubjectError, GrantRefusedError, UnavailableError.
    """
    return await _ask(
        client,
        config,
        shop,
        {
            "grant_type": EXCHANGE,
            "subject_token": id_token,
            "subject_token_type": ID_TOKEN,
            "requested_token_type": OFFLINE,
            "expiring": "1",
        },
    )


async def refresh(
    client: httpx.AsyncClient, config: Config, shop: str, refresh_token: str
) -> Grant:
    """A new pair for `refresh_token`; the same one is sent again when no answer came, which Shopify
    allows.

    Raises GrantLostError, GrantRefusedError, UnavailableError.
    """
    return await _ask(
        client, config, shop, {"grant_type": "refresh_token", "refresh_token": refresh_token}
    )


async def user_name(client: httpx.AsyncClient, config: Config, shop: str, id_token: str) -> str:
    """The name of the member of staff whose id token this is, "" where Shopify tells none: what
    comes with an online token, which is not kept.

    Raises InvalidSubjectError, GrantRefusedError, UnavailableError.
    """
    fields = {
        "grant_type": EXCHANGE,
        "subject_token": id_token,
        "subject_token_type": ID_TOKEN,
        "requested_token_type": ONLINE,
    }
    response = await _post(client, config, shop_domain(shop), fields)
    try:
        user = msgspec.json.decode(response.content, type=_OnlineAnswer).associated_user
    except msgspec.DecodeError as error:
        raise UnavailableError("Shopify's answer named nobody.") from error
    return f"{user.first_name} {user.last_name}".strip()


def encrypt(config: Config, token: str) -> bytes:
    return _box(config.token_keys).encrypt(token.encode())


def decrypt(config: Config, stored: bytes) -> str:
    """Raises GrantLostError when none of TOKEN_KEYS opens it: the key is gone, and with it the
    grant.
    """
    try:
        return _box(config.token_keys).decrypt(bytes(stored)).decode()
    except InvalidToken:
        raise GrantLostError(
            "The stored access cannot be read any more; please open Holdfast once."
        ) from None


@functools.lru_cache(maxsize=4)
def _box(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


async def _ask(
    client: httpx.AsyncClient, config: Config, shop: str, fields: Mapping[str, str]
) -> Grant:
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            async for attempt in stamina.retry_context(
                on=UnavailableError, attempts=TRIES, wait_initial=0.1, wait_max=1.0, wait_jitter=0.2
            ):
                with attempt:
                    return await _ask_once(client, config, shop_domain(shop), fields)
    except TimeoutError:
        raise UnavailableError(AWAY) from None
    raise AssertionError  # the last attempt returns or raises


async def _ask_once(
    client: httpx.AsyncClient, config: Config, shop: str, fields: Mapping[str, str]
) -> Grant:
    asked_at = datetime.now(UTC)  # a token counts from when Shopify made it, never later than this
    response = await _post(client, config, shop, fields)
    try:
        return _grant(msgspec.json.decode(response.content, type=_Answer), asked_at)
    except msgspec.DecodeError as error:
        raise UnavailableError("Shopify's answer was no token.") from error


async def _post(
    client: httpx.AsyncClient, config: Config, shop: str, fields: Mapping[str, str]
) -> httpx.Response:
    try:
        with traces.span("shopify access_token", "client") as span:
            response = await client.post(
                f"{config.shopify_url.format(shop=shop)}/admin/oauth/access_token",
                json={
                    "client_id": config.api_key,
                    "client_secret": config.api_secrets[0],
                    **fields,
                },
                headers={"Accept": "application/json", **traces.headers()},
                timeout=TRY_SECONDS,
            )
            if span is not None:
                span.answered(response.status_code)
    except httpx.HTTPError as error:
        raise UnavailableError(AWAY) from error
    if response.status_code != HTTPStatus.OK:
        raise _error(response)
    return response


def _error(response: httpx.Response) -> HoldfastError:
    try:
        said = str(msgspec.json.decode(response.content, type=_Refusal).error)
    except msgspec.DecodeError:
        said = ""
    log.warning("shopify gave no token", status=response.status_code, reason=said[:80])
    if (
        response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
        or response.status_code == HTTPStatus.TOO_MANY_REQUESTS
    ):
        return UnavailableError(AWAY)
    if said == "invalid_subject_token":
        return InvalidSubjectError("Shopify did not take the id token.")
    if said == "invalid_grant" or NO_ACTIVE_TOKEN in response.text:
        return GrantLostError(
            "Holdfast has lost its access to the shop; please open it once in Shopify admin."
        )
    return GrantRefusedError("Shopify does not give Holdfast access to the shop.")


def _grant(answer: _Answer, asked_at: datetime) -> Grant:
    return Grant(
        answer.access_token,
        _after(asked_at, answer.expires_in),
        answer.refresh_token,
        _after(asked_at, answer.refresh_token_expires_in),
        answer.scope,
    )


def _after(moment: datetime, seconds: float | None) -> datetime | None:
    return (
        None if seconds is None else moment + timedelta(seconds=min(max(seconds, 0), SECONDS_MAX))
    )
