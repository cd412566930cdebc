"""POST /webhooks: proves that Shopify sent it, makes it durable, answers; nothing is parsed here."""

import re
import time
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from app import signals
from app.errors import BadInputError, TooLargeError, UnauthorizedError, UnavailableError
from app.flow.admission import Admission
from app.flow.lane import LaneItem
from app.shopify.verify import webhook_hmac_ok

BODY_BYTES_MAX = 5 * 1024 * 1024
TEXT_LENGTH_MAX = 128
TOPIC = re.compile(rb"[a-z0-9_.]{1,48}/[a-z0-9_]{1,15}|[a-z0-9_.]{1,64}")
SHOP = re.compile(rb"[a-z0-9][a-z0-9-]{0,62}\.myshopify\.com")
PRINTABLE = re.compile(rb"[!-~]{1,128}")

_ANSWER_HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"2")]
_outcomes = {
    outcome: signals.WEBHOOKS.labels(outcome)
    for outcome in ("queued", "duplicate", "spilled", "bad_digest", "bad_headers", "too_large", "unavailable")
}


class Webhooks:
    """A raw ASGI endpoint: thousands of requests a second pass here, so each is read once and nothing is wrapped."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "POST"})
        state = scope["state"]
        admission: Admission = state["admission"]
        headers: dict[bytes, bytes] = dict(scope["headers"])
        body = await _body(receive, headers)
        _prove(headers, body, admission.stores.config.api_secrets)
        item = _item(headers, body, state.get("request_id", ""))
        try:
            outcome = await admission.admit(item)
        except UnavailableError:
            _outcomes["unavailable"].inc()
            raise
        _outcomes[outcome].inc()
        await send({"type": "http.response.start", "status": 200, "headers": _ANSWER_HEADERS})
        await send({"type": "http.response.body", "body": b"{}"})


async def _body(receive: Receive, headers: dict[bytes, bytes]) -> bytes:
    announced = headers.get(b"content-length", b"")
    if announced.isdigit() and int(announced) > BODY_BYTES_MAX:
        _too_large()
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        return body
    parts, size = [body], len(body)
    while message.get("more_body", False):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > BODY_BYTES_MAX:
            _too_large()
    return b"".join(parts)


def _too_large() -> None:
    _outcomes["too_large"].inc()
    raise TooLargeError("The webhook is larger than 5 MB.")


def _prove(headers: dict[bytes, bytes], body: bytes, secrets: tuple[str, ...]) -> None:
    digest = headers.get(b"x-shopify-hmac-sha256")
    if digest is None:
        _outcomes["bad_headers"].inc()
        raise BadInputError("The header X-Shopify-Hmac-Sha256 is missing.")
    if not webhook_hmac_ok(body, digest.decode("latin-1"), secrets):
        _outcomes["bad_digest"].inc()
        raise UnauthorizedError("The webhook's digest does not match its body.")


def _item(headers: dict[bytes, bytes], body: bytes, request_id: str) -> LaneItem:
    """The webhook as its lane keeps it; only the body is signed, so what the headers say is checked for its form."""
    return LaneItem(
        received_ms=int(time.time() * 1000),
        shop=_required(headers, b"X-Shopify-Shop-Domain", SHOP, lower=True),
        topic=_required(headers, b"X-Shopify-Topic", TOPIC, lower=True),
        webhook_id=_required(headers, b"X-Shopify-Webhook-Id", PRINTABLE),
        api_version=_optional(headers, b"x-shopify-api-version"),
        triggered_at=_optional(headers, b"x-shopify-triggered-at"),
        event_id=_optional(headers, b"x-shopify-event-id"),
        request_id=request_id,
        body=body,
    )


def _required(headers: dict[bytes, bytes], name: bytes, form: re.Pattern[bytes], *, lower: bool = False) -> str:
    value = headers.get(name.lower(), b"")
    if lower:
        value = value.lower()
    if not form.fullmatch(value):
        _outcomes["bad_headers"].inc()
        raise BadInputError(f"The header {name.decode()} is {'not usable' if value else 'missing'}.")
    return value.decode("ascii")


def _optional(headers: dict[bytes, bytes], name: bytes) -> str:
    return headers.get(name, b"")[:TEXT_LENGTH_MAX].decode("ascii", "replace")


routes: list[BaseRoute] = [Route("/webhooks", Webhooks())]
