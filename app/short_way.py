"""Webhooks answered by the HTTP protocol itself: one that has come whole needs neither a task nor
the request cycle, which cost as much as all that is done for it.
"""

import asyncio
import time
from typing import Any

from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app import webhooks
from app.errors import HoldfastError
from app.flags import evaluation, known
from app.flow.lanes.admission import Admission, Outcome
from app.telemetry.spans import Span

PATH = b"/webhooks"


class Delivery:
    """A webhook that is being stored: it stands where uvicorn keeps the cycle of a request, which
    is how pipelined requests wait their turn and a graceful stop waits for the answer.
    """

    __slots__ = (
        "began",
        "disconnected",
        "keep_alive",
        "message_event",
        "response_complete",
        "span",
    )

    def __init__(
        self, message_event: asyncio.Event, span: Span | None, *, keep_alive: bool
    ) -> None:
        self.began = time.perf_counter()
        self.span = span
        self.message_event = message_event  # of a hung-up connection; nobody waits for it here
        self.keep_alive = keep_alive
        self.disconnected = False
        self.response_complete = False


class ShortWay(HttpToolsProtocol):
    """uvicorn's protocol, but for webhooks that arrive in one piece and are proven. Everything
    else goes the long way through the app: pieces, `Expect`, what is refused, all other addresses.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.pieces: list[bytes] | None = None  # of a body that may go the short way
        self.nobody = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.pieces is not None:
            self._go_the_long_way()

    def on_headers_complete(self) -> None:
        if self._may_be_short():
            self.pieces = []
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self.pieces is None:
            super().on_body(body)
        else:
            self.pieces.append(body)

    def on_message_complete(self) -> None:
        if self.pieces is None:
            super().on_message_complete()
        elif not self._admit(b"".join(self.pieces)):
            self._go_the_long_way()
            super().on_message_complete()

    def _may_be_short(self) -> bool:
        return (
            self.url == PATH
            and self.parser.get_method() == b"POST"
            and self.parser.get_http_version() == "1.1"
            and not self.expect_100_continue
            and not self.parser.should_upgrade()
            and not self.flow.write_paused
            and (self.cycle is None or self.cycle.response_complete)
            and "admission" in self.app_state
            and evaluation.is_on(known.SHORT_WAY)
        )

    def _go_the_long_way(self) -> None:
        pieces, self.pieces = self.pieces or [], None
        if self.transport.is_closing():
            return
        super().on_headers_complete()
        for piece in pieces:
            super().on_body(piece)

    def _admit(self, body: bytes) -> bool:
        """Begin to store the webhook; False when it is to be refused."""
        admission: Admission = self.app_state["admission"]
        request_id, span = webhooks.begun(self.headers)
        delivery: Any = Delivery(self.nobody, span, keep_alive=self.parser.should_keep_alive())
        carrier = webhooks.carried(request_id, span)
        try:
            item = webhooks.proven(self.headers, body, admission.stores.config, carrier)
        except HoldfastError:
            return False
        self.pieces, self.cycle = None, delivery
        admission.admit(item).add_done_callback(
            lambda answer: self._answer(delivery, request_id, answer)
        )
        return True

    def _answer(self, delivery: Any, request_id: bytes, answer: "asyncio.Future[Outcome]") -> None:
        if answer.cancelled():  # the process ends, and its connections with it
            return
        error = answer.exception()
        if error is None:
            webhooks.counted(answer.result(), delivery.began, delivery.span)
            content = b"content-length: 0\r\nx-request-id: " + request_id + b"\r\n\r\n"
            status = 200
        else:
            refused = webhooks.refusal(error, request_id, delivery.span)
            content, status = _content(refused), refused.status_code
        if delivery.disconnected:
            return
        head = [STATUS_LINE[status]]
        for name, value in self.server_state.default_headers:
            head += (name, b": ", value, b"\r\n")
        if not delivery.keep_alive:
            head.append(b"connection: close\r\n")
        head.append(content)
        self.transport.write(b"".join(head))
        delivery.response_complete = True
        if not delivery.keep_alive:
            self.transport.close()
        self.on_response_complete()


def _content(response: Response) -> bytes:
    headers = b"".join(b"%b: %b\r\n" % one for one in response.raw_headers)
    return headers + b"\r\n" + bytes(response.body)
