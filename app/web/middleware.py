"""What every request passes through: its id, its time, the body limit, and one way to answer an
error.
"""

import os
import re
import time
from http import HTTPStatus
from typing import Any

import structlog
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import BadInputError, HoldfastError
from app.telemetry import carriers, logs, metrics, spans, traces
from app.telemetry.spans import Span
from app.web import inbound, pages
from app.web.files import COMPRESSED_MIN_BYTES, accepts_gzip

BODY_BYTES_MAX = (
    64 * 1024
)  # of forms and JSON; only webhooks are larger, and have a limit of theirs
_SANE = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]{7,127}")
TOO_LARGE = "The request is larger than 64 KB."
UNEXPECTED = "Something went wrong on our side. It has been noted; please try again."
RETRY_AFTER_SECONDS = 5
COMPRESS_LEVEL = 5  # a tenth larger than the best, at a third of its time
# of every answer: no browser guesses another type, and addresses (some hold id tokens) stay here
SAFETY = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"}
_SAFETY = [(name.lower().encode(), value.encode()) for name, value in SAFETY.items()]
CLOSE = {"Connection": "close"}  # what else the sender still has to say will not be read
# who asks and what for; two of one could be read one way here and another way in front of us
ONCE = frozenset({b"authorization", b"content-type", b"content-length", b"host"})
SENTENCES = {
    400: "The request could not be understood.",
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
    413: TOO_LARGE,
}
API_PATHS = ("/storefront/", "/checkout/", "/api/", "/webhooks", "/healthz", "/metrics")
# answered well, they are no news
QUIET_ROUTES = frozenset(
    {"/healthz", "/healthz/live", "/healthz/ready", "/healthz/deep", "/metrics", "/static"}
)
log = logs.logger()


class Edge:
    """The outermost middleware, plain ASGI; only /webhooks is answered before it (app.main)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        await _Passage(self.app, scope, receive, send).run()


class Compress(GZipMiddleware):
    """Answers of a kilobyte and more travel compressed to whoever takes that.

    None of them holds a secret beside text of a stranger's choice, whose size could give it away:
    admin's pages answer only to an id token that nobody else has.
    """

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app, COMPRESSED_MIN_BYTES, COMPRESS_LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not accepts_gzip(Headers(scope=scope)):
            # it would read "gzip;q=0" as a yes
            scope["headers"] = [one for one in scope["headers"] if one[0] != b"accept-encoding"]
        await super().__call__(scope, receive, send)


class _Passage:
    """One request on its way through."""

    __slots__ = ("app", "body", "receive", "request_id", "scope", "send", "status", "traceparent")

    def __init__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        self.app = app
        self.scope = scope
        self.receive = receive
        self.send = send
        self.status = 0
        self.body: inbound.Body | None = inbound.Body(inbound.room, BODY_BYTES_MAX, TOO_LARGE)
        self.request_id = b""
        self.traceparent = ""

    async def run(self) -> None:
        scope = self.scope
        began = time.perf_counter()
        length, repeated = self._read_headers()
        text = self.request_id.decode()
        scope.setdefault("state", {})["request_id"] = text
        structlog.contextvars.bind_contextvars(request_id=text)
        span = traces.request(text, self.traceparent)
        if span is None:
            await self._pass(length, repeated)
            self._account(time.perf_counter() - began)
            return
        with span, structlog.contextvars.bound_contextvars(trace_id=span.context.trace_id):
            await self._pass(length, repeated)
            self._describe(span)
            self._account(time.perf_counter() - began)

    async def _pass(self, length: int, repeated: str) -> None:
        scope = self.scope
        try:
            if length > BODY_BYTES_MAX:
                await refusal(scope, 413, "too_large", TOO_LARGE)(
                    scope, self.receive, self.send_with_id
                )
            elif repeated:
                await refusal(scope, 400, BadInputError.code, f"{repeated} came several times.")(
                    scope, self.receive, self.send_with_id
                )
            else:
                await self.app(scope, self.receive_within_limit, self.send_with_id)
        except ClientDisconnect:
            self.status = self.status or 499
        except Exception as error:  # the last place that can answer; logged once, here
            log.exception("request failed", error=type(error).__name__, path=scope["path"])
            if (here := spans.current.get()) is not None:
                here.fail(error)
            if not self.status:
                await refusal(scope, 500, "internal_error", UNEXPECTED)(
                    scope, self.receive, self.send_with_id
                )
        finally:
            if self.body is not None:
                self.body.leave()

    def _read_headers(self) -> tuple[int, str]:
        """Finds the caller's request id, or makes one; returns the announced length of the body
        in bytes, and the name of a header that must come once and did not.
        """
        length, asked, repeated = 0, b"", ""
        seen = set()
        for name, value in self.scope["headers"]:
            if name in ONCE:
                repeated = f"The header {name.decode()}" if name in seen else repeated
                seen.add(name)
                if name == b"content-length":
                    length = int(value) if value.isdigit() else 0
            elif name == b"x-request-id":
                asked = value
            elif name == b"traceparent" and traces.is_on():
                self.traceparent = value.decode("latin-1")
        if not asked and (given := carriers.of_header(self.traceparent)):
            asked = given.trace_id.encode()
        self.request_id = sane_id(asked)
        return length, repeated

    async def receive_within_limit(self) -> Message:
        if self.body is None:
            return await self.receive()  # all of it is here: what comes now is the end
        message = await self.body.receive(self.receive)
        if not message.get("more_body", False):
            self.body.leave()
            self.body = None
        return message

    async def send_with_id(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {
                **message,
                "headers": [
                    *message.get("headers", ()),
                    *_SAFETY,
                    (b"x-request-id", self.request_id),
                ],
            }
        await self.send(message)

    def _describe(self, span: Span) -> None:
        route = self._route()
        span.name = f"{self.scope['method']} {route}"
        span.attributes |= {"http.request.method": self.scope["method"], "http.route": route}
        span.answered(self.status)

    def _route(self) -> str:
        return getattr(self.scope.get("route"), "path", "unmatched")

    def _account(self, seconds: float) -> None:
        route = self._route()
        timer, counter = _figures(route, self.status // 100)
        timer.observe(seconds)
        counter.inc()
        say = (
            log.debug
            if self.status < HTTPStatus.BAD_REQUEST and route in QUIET_ROUTES
            else log.info
        )
        code, reason = self.scope["state"].get("refused", (None, None))
        why = {"error_code": code, "reason": reason} if code else {}
        milliseconds = round(seconds * 1000, 1)
        say(
            "request",
            route=route,
            method=self.scope["method"],
            status=self.status,
            milliseconds=milliseconds,
            **why,
        )


_kept: dict[tuple[str, int], tuple[Any, Any]] = {}


def _figures(route: str, hundreds: int) -> tuple[Any, Any]:
    """The histogram of a route and the counter of its answers of a kind."""
    # finding a labelled metric takes as long as counting with it; routes are few and fixed
    found = _kept.get((route, hundreds))
    if found is None:
        timer = metrics.REQUEST_SECONDS.labels(route)
        found = timer, metrics.REQUESTS.labels(route, f"{hundreds}xx")
        _kept[route, hundreds] = found
    return found


def refusal(
    scope: Scope, status: int, code: str, message: str, headers: dict[str, str] | None = None
) -> Response:
    """An error as the asker can use it: `{"error": {"code", "message"}}`, or a page of admin."""
    headers = dict(headers or {})
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if status == HTTPStatus.REQUEST_TIMEOUT:
        headers |= CLOSE
    if scope["path"].startswith("/checkout/"):
        # without it an extension could not even read the error
        headers["Access-Control-Allow-Origin"] = "*"
    if _wants_json(scope):
        return JSONResponse({"error": {"code": code, "message": message}}, status, headers)
    try:
        page: Response = pages.error_page(status, message)
        # nothing to protect on it, and a merchant must be able to read it inside admin's frame
        page.headers["Content-Security-Policy"] = " ".join(
            ("frame-ancestors", *scope["state"]["config"].admin_origins)
        )
    except Exception:
        log.exception("error page could not be made")
        page = PlainTextResponse(message, status)
    for name, value in headers.items():
        page.headers[name] = value
    return page


def _wants_json(scope: Scope) -> bool:
    if scope["path"].startswith(API_PATHS):
        return True
    accepted = b",".join(value for name, value in scope["headers"] if name == b"accept")
    return b"application/json" in accepted and b"text/html" not in accepted


async def expected(request: Request, error: Exception) -> Response:
    """Answer one of our own errors; its message is written for people.

    The line of the request says why: whoever answers an error itself sets `request.state.refused`
    to do the same.
    """
    assert isinstance(error, HoldfastError)
    request.state.refused = (error.code, error.message)
    return refusal(request.scope, error.status, error.code, error.message)


async def http_error(request: Request, error: Exception) -> Response:
    """Answer what Starlette itself refuses: no such address, no such method, a form it cannot
    read.
    """
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.NOT_FOUND and _is_in_app(request):
        return await pages.lost(request)
    sentence = SENTENCES.get(error.status_code, "The request was refused.")
    code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
    return refusal(request.scope, error.status_code, code, sentence, dict(error.headers or {}))


def _is_in_app(request: Request) -> bool:
    """Whether somebody with admin open asks for a page of ours."""
    path = request.scope["path"]
    if path.startswith((*API_PATHS, "/static/")) or _wants_json(request.scope):
        return False
    return "authorization" in request.headers or "id_token" in request.query_params


def sane_id(asked: bytes) -> bytes:
    """The id the caller gave in `x-request-id` when it is sane, otherwise one made here."""
    return asked if _SANE.fullmatch(asked) else os.urandom(16).hex().encode()
