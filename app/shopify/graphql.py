"""Calls of Shopify's Admin GraphQL API: within a shop's cost budget, 5 seconds in all, errors
in plain sentences.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import msgspec

from app.config import Config
from app.errors import HoldfastError, UnavailableError
from app.shopify.budget import Budgets
from app.shopify.verify import shop_domain
from app.telemetry import logs, traces

DEADLINE_SECONDS = 5.0  # waits for budget included: slow counts as down
TRIES_MAX = 5
PAUSE_SECONDS_MIN = 0.1
JITTER_SECONDS = 0.1
DOCUMENTS = {
    path.stem: path.read_text() for path in (Path(__file__).parent / "queries").glob("*.graphql")
}
SENTENCES = {
    402: "The shop is frozen until its Shopify bill is paid.",
    403: "Holdfast is not permitted to do this in the shop.",
    404: "Shopify does not know this shop, or no longer this address.",
    423: "The shop is locked by Shopify.",
    430: "Shopify rejected the request for security reasons.",
}
# A request that was refused before it ran has no `data`. Of one that ran, only these say that
# nothing was done.
NOTHING_DONE = {"ACCESS_DENIED": 403, "SHOP_INACTIVE": 402, "MAX_COST_EXCEEDED": 400}
TEMPORARY = frozenset({"INTERNAL_SERVER_ERROR", "TIMEOUT", "SERVICE_UNAVAILABLE"})
AWAY = "Shopify is not answering at the moment."
BUSY = "Shopify asks this shop to slow down."

Renew = Callable[[str], Awaitable[str]]
budgets = Budgets()
log = logs.logger()
_versions_told: set[tuple[str, str]] = set()


class ShopifyRefusedError(HoldfastError):
    """Shopify will not do it, however often it is asked; `shopify_status` is its own HTTP
    status.
    """

    status, permanent, code = 502, True, "shopify_refused"

    def __init__(self, shopify_status: int) -> None:
        super().__init__(
            SENTENCES.get(shopify_status, f"Shopify refused the request ({shopify_status}).")
        )
        self.shopify_status = shopify_status


class TokenRefusedError(UnavailableError):
    """Shopify does not accept the access token; a new one can help."""

    code = "token_refused"


class ThrottledError(UnavailableError):
    """The shop's budget does not allow the call within the deadline. It says nothing about
    Shopify's health.
    """

    code = "throttled"


async def execute(
    client: httpx.AsyncClient,
    config: Config,
    shop: str,
    token: str,
    document_name: str,
    variables: Mapping[str, Any],
    renew: Renew | None = None,
) -> dict[str, Any]:
    """Run `queries/{document_name}.graphql` in `shop` and return its `data`, with userErrors left
    to the caller.

    Never sends a second time what may have been done, so a mutation that raises UnavailableError
    (no answer, 5xx) may have had its effect. Raises ThrottledError, TokenRefusedError (with
    `renew`, after one try with the token it gives for the refused one), ShopifyRefusedError for
    what is permanent, and what `renew` raises.
    """
    call = _Call(client, config, shop_domain(shop), document_name, variables)
    try:
        async with asyncio.timeout_at(call.deadline):
            return await _run(call, token, renew)
    except TimeoutError:
        raise UnavailableError(AWAY) from None


class _Call:
    """One call and all its tries."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        config: Config,
        shop: str,
        document_name: str,
        variables: Mapping[str, Any],
    ) -> None:
        self.client = client
        self.config = config
        self.shop = shop
        self.document_name = document_name
        self.url = (
            f"{config.shopify_url.format(shop=shop)}/admin/api/{config.api_version}/graphql.json"
        )
        self.body = msgspec.json.encode({"query": DOCUMENTS[document_name], "variables": variables})
        self.deadline = asyncio.get_running_loop().time() + DEADLINE_SECONDS

    async def pause(self, seconds: float) -> None:
        """Raises ThrottledError instead of waiting past the deadline."""
        jitter = random.uniform(0, JITTER_SECONDS)  # noqa: S311 - spreads retries, protects nothing
        if asyncio.get_running_loop().time() + seconds + jitter >= self.deadline:
            raise ThrottledError(BUSY)
        await asyncio.sleep(seconds + jitter)


async def _run(call: _Call, token: str, renew: Renew | None) -> dict[str, Any]:
    for _ in range(TRIES_MAX):
        response = await _send(call, token)
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            if renew is None:
                raise TokenRefusedError("Shopify does not accept the shop's access token.")
            token, renew = await renew(token), None
        elif response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            await call.pause(_retry_after_seconds(response))
        else:
            answer = _read(call, response)
            if not _is_throttled(answer):
                return _data(call, answer)
            wait_seconds = budgets.wait_seconds(call.shop, budgets.cost(call.document_name))
            await call.pause(max(PAUSE_SECONDS_MIN, wait_seconds))
    raise ThrottledError(BUSY)


async def _send(call: _Call, token: str) -> httpx.Response:
    cost = budgets.cost(call.document_name)
    while (wait_seconds := budgets.wait_seconds(call.shop, cost)) > 0:
        await call.pause(wait_seconds)
    budgets.reserve(call.shop, cost)
    try:
        with traces.span(f"shopify {call.document_name}", "client") as span:
            response = await call.client.post(
                call.url,
                content=call.body,
                headers={
                    "Content-Type": "application/json",
                    "Accept": "application/json",
                    "X-Shopify-Access-Token": token,
                    **traces.headers(),
                },
            )
            if span is not None:
                span.answered(response.status_code)
            return response
    except httpx.HTTPError as error:
        log.warning(
            "shopify did not answer", document=call.document_name, reason=type(error).__name__
        )
        raise UnavailableError(AWAY) from error
    finally:
        budgets.settle(call.shop, cost)


def _retry_after_seconds(response: httpx.Response) -> float:
    try:
        return max(PAUSE_SECONDS_MIN, float(response.headers.get("Retry-After", "1")))
    except ValueError:  # a date; nobody has seen one here
        return 1.0


def _read(call: _Call, response: httpx.Response) -> dict[str, Any]:
    """The JSON object in an answer that Shopify gave with status 200."""
    status = response.status_code
    if status != HTTPStatus.OK:
        log.warning(
            "shopify answered with an error",
            document=call.document_name,
            status=status,
            shopify_request_id=response.headers.get("X-Request-Id"),
        )
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise UnavailableError(AWAY)
        raise ShopifyRefusedError(status)
    _check_version(call.config.api_version, response.headers.get("X-Shopify-API-Version"))
    try:
        answer = msgspec.json.decode(response.content)
    except msgspec.DecodeError as error:
        raise UnavailableError(AWAY) from error
    if not isinstance(answer, dict):
        raise UnavailableError(AWAY)
    budgets.learn(call.shop, call.document_name, answer.get("extensions"))
    return answer


def _check_version(asked: str, answered: str | None) -> None:
    """A version past its end falls forward to the oldest supported one, each
    after a year: time to move on.
    """
    if answered is not None and answered != asked and (asked, answered) not in _versions_told:
        _versions_told.add((asked, answered))
        log.warning("shopify answered in another API version", asked=asked, answered=answered)


def _errors(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    errors = answer.get("errors") or []
    # some answers have a sentence, or an object, where the list should be
    return [
        error if isinstance(error, dict) else {}
        for error in (errors if isinstance(errors, list) else [errors])
    ]


def _code(error: Mapping[str, Any]) -> str:
    extensions = error.get("extensions")
    return str(extensions.get("code", "")) if isinstance(extensions, dict) else ""


def _is_throttled(answer: Mapping[str, Any]) -> bool:
    return any(_code(error) == "THROTTLED" for error in _errors(answer))


def _data(call: _Call, answer: Mapping[str, Any]) -> dict[str, Any]:
    """The data, when all its root fields were answered; errors further down, such as fields we
    may not see, are told in the log.
    """
    errors, data = _errors(answer), answer.get("data")
    if errors:
        log.warning(
            "shopify answered with errors",
            document=call.document_name,
            codes=sorted({_code(error) for error in errors}),
            paths=[error.get("path") for error in errors][:5],
        )
    if not isinstance(data, dict):
        raise _failure(errors, ran="data" in answer or not errors)
    failed = [error for error in errors if _hits_root(error, data)]
    if failed:
        raise _failure(failed, ran=True)
    return data


def _hits_root(error: Mapping[str, Any], data: Mapping[str, Any]) -> bool:
    path = error.get("path")
    if isinstance(path, list) and path:
        return data.get(str(path[0])) is None
    return any(value is None for value in data.values())


def _failure(errors: Sequence[Mapping[str, Any]], *, ran: bool) -> HoldfastError:
    codes = [_code(error) for error in errors]
    for code in codes:
        if code in NOTHING_DONE:
            return ShopifyRefusedError(NOTHING_DONE[code])
    if ran or any(code in TEMPORARY for code in codes):
        return UnavailableError(AWAY)
    return ShopifyRefusedError(HTTPStatus.BAD_REQUEST)
