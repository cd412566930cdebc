"""One address of the shopper's API: it proves who asks, and answers as JSON that nobody keeps."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import msgspec
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app import cells
from app.errors import BadInputError, HoldfastError, TooLargeError
from app.resilience.guard import on_behalf_of

BODY_MAX_BYTES = 10_000
# Shopify runs extensions at an origin nobody can foresee: every answer is open to all, errors too
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": (
        "X-Shopify-API-Request-Failure-Reauthorize-Url, X-Request-Id, Retry-After"
    ),
}
PREFLIGHT = {
    **CORS,
    "Access-Control-Allow-Headers": "Authorization, Content-Type",
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Max-Age": "7200",
}
encoder = msgspec.json.Encoder()


class Caller(Protocol):
    """Who asks, as the proof says; `customer_id` is None for somebody who is not signed in."""

    @property
    def shop(self) -> str: ...
    @property
    def customer_id(self) -> str | None: ...


Prove = Callable[[Request], Caller | Awaitable[Caller]]
Handler = Callable[[Request, Caller], Awaitable[tuple[int, Any]]]


class TooOftenError(HoldfastError):
    """More often than the limit allows (429)."""

    status, permanent, code = 429, True, "rate_limited"

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__("That was too often. Please wait a moment and try again.")
        self.retry_after_seconds = retry_after_seconds


class Door:
    """An ASGI endpoint. `handlers` by method return (status, JSON-able body); `is_open` adds CORS
    to every answer.

    What is no HoldfastError goes on to the edge, which answers 500 and keeps `/checkout/` open too.
    """

    def __init__(
        self, prove: Prove, handlers: Mapping[str, Handler], *, is_open: bool = False
    ) -> None:
        self.prove = prove
        self.handlers = handlers
        self.is_open = is_open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if self.is_open and request.method == "OPTIONS":
            answer = Response(status_code=204, headers=PREFLIGHT)
        else:
            answer = await self._answer(request)
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        try:
            handler = self.handlers.get(request.method)
            if handler is None:
                return self._error(
                    request, HoldfastError("This is not done here.", code="bad_method", status=405)
                )
            proven = self.prove(request)
            caller = await proven if inspect.isawaitable(proven) else proven
            cells.refuse_others(caller.shop, request.state.stores.config, "storefront")
            structlog.contextvars.bind_contextvars(shop=caller.shop)
            with on_behalf_of(caller.shop):
                status, body = await handler(request, caller)
        except HoldfastError as error:
            return self._error(request, error)
        return self._answered(status, body)

    def _error(self, request: Request, error: HoldfastError) -> Response:
        request.state.refused = (
            error.code,
            error.message,
        )  # the edge's line of the request says why
        answer = self._answered(
            error.status, {"error": {"code": error.code, "message": error.message}}
        )
        if error.code == "bad_method":
            answer.headers["Allow"] = ", ".join(self.handlers)
        if isinstance(error, TooOftenError):
            answer.headers["Retry-After"] = str(error.retry_after_seconds)
        return answer

    def _answered(self, status: int, body: Any) -> Response:
        headers = {"Cache-Control": "no-store", **(CORS if self.is_open else {})}
        return Response(encoder.encode(body), status, headers, media_type="application/json")


class PageDoor(Door):
    """The same for a page: handlers return (status, HTML), and `refused` draws what is said when
    it cannot be shown.
    """

    def __init__(
        self,
        prove: Prove,
        handlers: Mapping[str, Handler],
        refused: Callable[[Request, str], str],
        media_type: str,
    ) -> None:
        super().__init__(prove, handlers)
        self.refused = refused
        self.media_type = media_type

    def _error(self, request: Request, error: HoldfastError) -> Response:
        request.state.refused = (error.code, error.message)
        return self._answered(error.status, self.refused(request, error.message))

    def _answered(self, status: int, body: Any) -> Response:
        headers = {"Cache-Control": "no-store"}
        return Response(body, status, headers, media_type=self.media_type)


async def read_body(request: Request) -> bytes:
    """The body, at most 10 kB of it. Raises TooLargeError, BadInputError when the sender left."""
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > BODY_MAX_BYTES:
                raise TooLargeError("The request is larger than 10 kB.")
            parts.append(part)
    except ClientDisconnect:
        raise BadInputError("The request ended before it was complete.") from None
    return b"".join(parts)
