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
from app.config import Config
from app.errors import (
    BadInputError,
    HoldfastError,
    TooLargeError,
    UnauthorizedError,
    UnavailableError,
)
from app.flow.lanes.admission import Admission, Outcome
from app.flow.lanes.lane import LaneItem
from app.shopify.verify import webhook_hmac_ok
from app.telemetry import logs, metrics, traces
from app.telemetry.spans import Span, is_failure
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
        "misdirected",
        "too_large",
        "late",
        "unavailable",
        "failed",
    )
}


Headers = Sequence[tuple[bytes, bytes]]  # names in lower case


class MethodError(HoldfastError):
    """Shopify delivers by POST (405)."""

    status, permanent, code = 405, True, "method_not_allowed"


REFUSED_AS = (
    (UnavailableError, "unavailable"),
    (inbound.LateError, "late"),
    (TooLargeError, "too_large"),
    (UnauthorizedError, "bad_digest"),
    (BadInputError, "bad_headers"),
    (cells.ElsewhereError, "misdirected"),
    (HoldfastError, "failed"),
)


async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
    """The whole of /webhooks as plain ASGI, its own request ids and errors included.

    It is called before any middleware: thousands of requests a second pass here, and what wraps a
    request costs as much as handling it. `scope["state"]` holds `admission`, from the lifespan.
    """
    began = time.perf_counter()
    headers: Headers = scope["headers"]
    request_id, span = begun(headers)
    try:
        outcome = await _take(scope, headers, receive, carried(request_id, span))
    except ClientDisconnect:
        return
    except Exception as error:  # noqa: BLE001 - logged there, and answered
        await refusal(error, request_id, span)(scope, receive, send)
    else:
        counted(outcome, began, span)
        answer = [(b"content-length", b"0"), (b"x-request-id", request_id)]
        await send({"type": "http.response.start", "status": 200, "headers": answer})
        await send({"type": "http.response.body", "body": b""})
        return
    _seconds.observe(time.perf_counter() - began)


def begun(headers: Headers) -> tuple[bytes, Span | None]:
    """The request's id, the caller's own when it is sane or a new one; and its span, where its
    trace is recorded.
    """
    found = dict(headers)
    request_id = sane_id(found.get(b"x-request-id", b""))
    return request_id, traces.delivery(request_id, found.get(b"traceparent", b""))


def carried(request_id: bytes, span: Span | None) -> bytes:
    """What goes along with a webhook: its request's id, and its trace where that is recorded."""
    return request_id if span is None else span.carrier.encode()


def proven(headers: Headers, body: bytes, config: Config, carrier: bytes) -> LaneItem:
    """The webhook as its lane keeps it. Only the body is signed, so what the headers say is checked
    for its form. Raises BadInputError, UnauthorizedError, and ElsewhereError for another cell's.
    """
    found = dict(headers)
    if len(found) != len(headers):
        _refuse_repeated(headers)
    digest = found.get(b"x-shopify-hmac-sha256")
    if digest is None:
        raise BadInputError("The header X-Shopify-Hmac-Sha256 is missing.")
    if not webhook_hmac_ok(body, digest.decode("latin-1"), config.api_secrets):
        raise UnauthorizedError("The webhook's digest does not match its body.")
    item = _item(found, body, carrier.decode())
    cells.refuse_others(item.shop, config)
    return item


def counted(outcome: Outcome, began: float, span: Span | None = None) -> None:
    """Count a webhook that was taken; `began` is when its request was here (perf_counter)."""
    _outcomes[outcome].inc()
    _seconds.observe(time.perf_counter() - began)
    if span is not None:
        span.attributes |= {"http.route": "/webhooks", "http.response.status_code": 200}
        span.attributes["holdfast.outcome"] = outcome
        span.end()


def refusal(error: BaseException, request_id: bytes, span: Span | None = None) -> JSONResponse:
    """The answer to a webhook that was not taken, which is logged and counted with it."""
    if span is None:
        if is_failure(error):
            traces.failed("POST /webhooks", request_id.decode(), error, "server")
    else:
        span.attributes["http.response.status_code"] = getattr(error, "status", 500)
        span.end(error)
    if not isinstance(error, HoldfastError):
        log.error("webhook failed", exc_info=error, request_id=request_id.decode())
        error = HoldfastError("Something went wrong on our side.")
    else:
        log.info(
            "webhook refused",
            status=error.status,
            reason=error.message,
            request_id=request_id.decode(),
        )
    headers = {"x-request-id": request_id.decode(), **SAFETY}
    if isinstance(error, UnavailableError):
        headers["Retry-After"] = RETRY_AFTER_SECONDS
    if isinstance(error, inbound.CrowdedError | inbound.LateError):
        headers |= CLOSE
    if isinstance(error, MethodError):
        headers["Allow"] = "POST"
    else:
        _outcomes[next(name for kind, name in REFUSED_AS if isinstance(error, kind))].inc()
    return JSONResponse(
        {"error": {"code": error.code, "message": error.message}}, error.status, headers
    )


async def _take(scope: Scope, headers: Headers, receive: Receive, carrier: bytes) -> Outcome:
    if scope["method"] != "POST":
        raise MethodError("Webhooks are delivered by POST.")
    admission: Admission = scope["state"]["admission"]
    arriving = inbound.Body(inbound.room, BODY_BYTES_MAX, TOO_LARGE)
    try:
        body = await _body(arriving, receive, headers)
        item = proven(headers, body, admission.stores.config, carrier)
    finally:
        if arriving.charged:
            arriving.leave()
    return await admission.admit(item)


def _refuse_repeated(headers: Headers) -> None:
    counts = Counter(name for name, _ in headers)
    repeated = [name for name in counts if counts[name] > 1 and name.startswith(ONCE_PREFIXES)]
    if repeated:
        raise BadInputError(f"The header {repeated[0].decode('latin-1')} came several times.")


async def _body(arriving: inbound.Body, receive: Receive, headers: Headers) -> bytes:
    for name, value in headers:
        if name == b"content-length" and value.isdigit() and int(value) > BODY_BYTES_MAX:
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


def _item(headers: dict[bytes, bytes], body: bytes, carrier: str) -> LaneItem:
    return LaneItem(
        received_ms=int(time.time() * 1000),
        shop=_required(headers, b"X-Shopify-Shop-Domain", SHOP, lower=True),
        topic=_required(headers, b"X-Shopify-Topic", TOPIC, lower=True),
        webhook_id=_required(headers, b"X-Shopify-Webhook-Id", PRINTABLE),
        api_version=_optional(headers, b"x-shopify-api-version"),
        triggered_at=_optional(headers, b"x-shopify-triggered-at"),
        event_id=_optional(headers, b"x-shopify-event-id"),
        request_id=carrier,
        body=body,
    )


def _required(
    headers: dict[bytes, bytes], name: bytes, form: re.Pattern[bytes], *, lower: bool = False
) -> str:
    value = headers.get(name.lower(), b"")
    if lower:
        value = value.lower()
    if not form.fullmatch(value):
        raise BadInputError(
            f"The header {name.decode()} is {'not usable' if value else 'missing'}."
        )
    return value.decode("ascii")


def _optional(headers: dict[bytes, bytes], name: bytes) -> str:
    return headers.get(name, b"")[:TEXT_LENGTH_MAX].decode("ascii", "replace")
