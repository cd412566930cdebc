"""A span, and a batch of them: what was done, for whom, from when to when."""

import asyncio
import os
import time
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Literal, Protocol, Self

from app.errors import HoldfastError
from app.telemetry import carriers, redaction
from app.telemetry.carriers import Context

Kind = Literal["internal", "server", "client", "producer", "consumer"]
Value = str | int | float | bool
LINKS_MAX = 128  # of a batch; its members name it in any case
DESCRIPTION_LENGTH_MAX = 300
SERVER_ERROR = 500


class Recorder(Protocol):
    """Takes spans that have ended, and never waits."""

    def record(self, span: "Span") -> None: ...
    def close(self, seconds: float) -> None: ...


class Span:
    """A piece of work; `with` it, or `end()` it. Everything inside belongs to it."""

    __slots__ = (
        "attributes",
        "began_ns",
        "context",
        "ended_ns",
        "error",
        "is_kept",
        "kind",
        "links",
        "name",
        "parent",
        "parent_id",
        "token",
    )

    def __init__(
        self,
        name: str,
        kind: Kind,
        above: Context,
        parent: "Span | None" = None,
        attributes: dict[str, Value] | None = None,
    ) -> None:
        """Of the trace of `above`, below its span if it has one; `parent` is that span where it is
        of this process.
        """
        self.name = name
        self.kind = kind
        trace_id, _, request_id, is_sampled = above
        self.context = Context(trace_id, os.urandom(8).hex(), request_id, is_sampled)
        self.parent_id = above.span_id
        self.parent = parent
        self.attributes = attributes or {}
        self.links: list[Context] = []
        self.error = ""
        self.is_kept = False
        self.began_ns = time.time_ns()
        self.ended_ns = 0
        self.token: Token[Span | None] | None = None

    @property
    def carrier(self) -> str:
        """What goes along with what it causes."""
        found = self.context
        return carriers.write(found) if found.is_sampled else found.request_id

    def fail(self, error: BaseException | str) -> None:
        """It came to nothing: it is recorded, and so is what led to it."""
        said = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
        self.error = str(redaction.scrub(said))[:DESCRIPTION_LENGTH_MAX] or "error"
        above: Span | None = self
        while above is not None:
            above.is_kept = True
            above = above.parent

    def answered(self, status: int) -> None:
        """What an HTTP call got; an error of whoever was called is one of the span."""
        self.attributes["http.response.status_code"] = status
        if status >= SERVER_ERROR and not self.error:
            self.fail(f"status {status}")

    def end(self, error: BaseException | None = None) -> None:
        """It is over, by an error or not; handed on when somebody wants to know."""
        self.ended_ns = time.time_ns()
        if error is not None and is_failure(error):
            self.fail(error)
        parent = self.parent
        # of a batch it shows only meanwhile whether one of its members is recorded
        wanted = self.context.is_sampled or (parent is not None and parent.context.is_sampled)
        if recorder is not None and (wanted or self.is_kept):
            recorder.record(self)

    def __enter__(self) -> Self:
        self.token = current.set(self)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if self.token is not None:
            current.reset(self.token)
        self.end(error)


class Batch(Span):
    """Work for many at once, in a trace of its own. Of each of its members that is recorded, the
    trace gets a span that names the batch, and the batch names them.
    """

    __slots__ = ("batch_token", "members")

    def __init__(self, name: str) -> None:
        trace_id = os.urandom(16).hex()
        super().__init__(name, "consumer", Context(trace_id, "", trace_id, is_sampled=False))
        self.members: dict[str, Span] = {}
        self.batch_token: Token[Batch | None] | None = None

    def add(self, carrier: str) -> None:
        above = carriers.read(carrier)
        if not above.is_sampled or carrier in self.members:
            return
        self.members[carrier] = member = Span(self.name, "consumer", above)
        member.began_ns = self.began_ns
        if len(self.links) < LINKS_MAX:
            self.links.append(member.context)
        self.context = self.context._replace(is_sampled=True)

    def __enter__(self) -> Self:
        super().__enter__()
        self.batch_token = in_hand.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.batch_token is not None:
            in_hand.reset(self.batch_token)
        self.attributes["holdfast.members_recorded"] = len(self.members)
        super().__exit__(kind, error, traceback)
        for member in self.members.values():
            member.links.append(self.context)
            if self.error:
                member.fail(self.error)
            member.end()


current: ContextVar[Span | None] = ContextVar("span", default=None)
in_hand: ContextVar[Batch | None] = ContextVar("batch", default=None)
recorder: Recorder | None = None


def record_to(given: Recorder | None) -> None:
    """Who takes spans from here on; None: nobody."""
    global recorder  # noqa: PLW0603 - one a process
    recorder = given


def is_failure(error: BaseException) -> bool:
    """Not what the caller did wrong, nor that somebody left."""
    if isinstance(error, HoldfastError):
        return error.status >= SERVER_ERROR
    return isinstance(error, Exception) and not isinstance(error, asyncio.CancelledError)
