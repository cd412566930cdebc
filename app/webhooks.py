"""POST /webhooks: proves that Shopify sent it, makes it durable, answers; nothing is parsed
here.
"""

import re
import time
from collections import Counter
from collections.abc import Sequence

from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from app import cells
from app.errors import (
    BadInputError,
    HoldfastError,
    TooLargeError,
    UnauthorizedError,
    UnavailableError,
)
from app.flow.lanes.admission import Admission
from app.flow.lanes.lane import LaneItem
from app.shopify.verify import webhook_hmac_ok
from app.telemetry import logs, metrics
from app.web import inbound
from app.web.middleware import CLOSE, SAFETY, sane_id

BODY_BYTES_MAX = 5 * 1024 * 1024
TEXT_LENGTH_MAX = 128
TOPIC = re.compile(rb"(?=.{1,64}\Z)[a-z0-9_.]+(?:/[a-z0-9_]+)?")  # 64 is what a receipt keeps
SHOP = re.compile(rb"[a-z0-9][a-z0-9-]{0,62}\.myshopify\.com")
PRINTABLE = re.compile(rb"[!-~]{1,128}")
RETRY_AFTER_SECONDS = "5"
TOO_LARGE = "The webhook is larger than 5 MB."
# the second of two would be believed here, and the first perhaps by whoever passed it on
ONCE_PREFIXES = (b"x-shopify-", b"content-")

log = logs.logger()
_seconds = metrics.REQUEST_SECONDS.labels("/webhooks")
_outcomes = {
    outcome: metrics.WEBHOOKS.labels(outcome)
    for outcome in (
        "queued",
        "duplicate",
        "spilled",
        "bad_digest",
        "bad_headers",
        "too_large",
        "late",
        "unavailable",
        "failed",
    )
}


class MethodError(HoldfastError):
    """Shopify delivers by POST (405)."""

    status, permanent, code = 405, True, "method_not_allowed"


async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
    """The whole of /webhooks as plain ASGI, its own request ids and errors included.

    It is called before any middleware: thousands of requests a second pass here, and what wraps a
    request costs as much as handling it. `scope["state"]` holds `admission`, from the lifespan.
    """
    began = time.perf_counter()
    headers: dict[bytes, bytes] = dict(scope["headers"])
    request_id = sane_id(headers.get(b"x-request-id", b""))
    try:
        outcome = await _take(scope, headers, receive, request_id.decode())
    except HoldfastError as error:
        log.info(
            "webhook refused",
            status=error.status,
            reason=error.message,
            request_id=request_id.decode(),
        )
        await _refusal(error, request_id)(scope, receive, send)
    except ClientDisconnect:
        return
    except Exception as error:
        log.exception("webhook failed", error=type(error).__name__, request_id=request_id.decode())
        _outcomes["failed"].inc()
        await _refusal(HoldfastError("Something went wrong on our side."), request_id)(
            scope, receive, send
        )
    else:
        _outcomes[outcome].inc()
        answer = [(b"content-length", b"0"), (b"x-request-id", request_id)]
        await send({"type": "http.response.start", "status": 200, "headers": answer})
        await send({"type": "http.response.body", "body": b""})
    _seconds.observe(time.perf_counter() - began)


async def _take(
    scope: Scope, headers: dict[bytes, bytes], receive: Receive, request_id: str
) -> str:
    if scope["method"] != "POST":
        raise MethodError("Webhooks are delivered by POST.")
    if len(headers) != len(scope["headers"]):
        _refuse_repeated(scope["headers"])
    admission: Admission = scope["state"]["admission"]
    arriving = inbound.Body(inbound.room, BODY_BYTES_MAX, TOO_LARGE)
    try:
        body = await _body(arriving, receive, headers)
        _prove(headers, body, admission.stores.config.api_secrets)
    finally:
        if arriving.charged:
            arriving.leave()
    item = _item(headers, body, request_id)
    cells.refuse_others(item.shop, admission.stores.config, "webhook")
    return await admission.admit(item)


def _refuse_repeated(headers: Sequence[tuple[bytes, bytes]]) -> None:
    counts = Counter(name for name, _ in headers)
    repeated = [name for name in counts if counts[name] > 1 and name.startswith(ONCE_PREFIXES)]
    if repeated:
        _outcomes["bad_headers"].inc()
        raise BadInputError(f"The header {repeated[0].decode('latin-1')} came several times.")


def _refusal(error: HoldfastError, request_id: bytes) -> JSONResponse:
    headers = {"x-request-id": request_id.decode(), **SAFETY}
    if isinstance(error, UnavailableError):
        _outcomes["unavailable"].inc()
        headers["Retry-After"] = RETRY_AFTER_SECONDS
        if isinstance(error, inbound.CrowdedError):
            headers |= CLOSE
    elif isinstance(error, inbound.LateError):
        _outcomes["late"].inc()
        headers |= CLOSE
    elif isinstance(error, TooLargeError):
        _outcomes["too_large"].inc()
    elif isinstance(error, MethodError):
        headers["Allow"] = "POST"
    return JSONResponse(
        {"error": {"code": error.code, "message": error.message}}, error.status, headers
    )


async def _body(arriving: inbound.Body, receive: Receive, headers: dict[bytes, bytes]) -> bytes:
    announced = headers.get(b"content-length", b"")
    if announced.isdigit() and int(announced) > BODY_BYTES_MAX:
        raise TooLargeError(TOO_LARGE)
    message = await arriving.receive(receive)
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        return body
    parts = [body]
    while message.get("more_body", False):
        message = await arriving.receive(receive)
        parts.append(message.get("body", b""))
    return b"".join(parts)


def _prove(headers: dict[bytes, bytes], body: bytes, secrets: tuple[str, ...]) -> None:
    digest = headers.get(b"x-shopify-hmac-sha256")
    if digest is None:
        _outcomes["bad_headers"].inc()
        raise BadInputError("The header X-Shopify-Hmac-Sha256 is missing.")
    if not webhook_hmac_ok(body, digest.decode("latin-1"), secrets):
        _outcomes["bad_digest"].inc()
        raise UnauthorizedError("The webhook's digest does not match its body.")


def _item(headers: dict[bytes, bytes], body: bytes, request_id: str) -> LaneItem:
    """The webhook as its lane keeps it; only the body is signed, so what the headers say is
    checked for its form.
    """
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


def _required(
    headers: dict[bytes, bytes], name: bytes, form: re.Pattern[bytes], *, lower: bool = False
) -> str:
    value = headers.get(name.lower(), b"")
    if lower:
        value = value.lower()
    if not form.fullmatch(value):
        _outcomes["bad_headers"].inc()
        raise BadInputError(
            f"The header {name.decode()} is {'not usable' if value else 'missing'}."
        )
    return value.decode("ascii")


def _optional(headers: dict[bytes, bytes], name: bytes) -> str:
    return headers.get(name, b"")[:TEXT_LENGTH_MAX].decode("ascii", "replace")
