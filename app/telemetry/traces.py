"""Traces: which are recorded, and how one goes on from request to lane, fact, service and call.

Whether a trace is recorded is decided once, from its id and its parent, as OpenTelemetry's
ParentBased(TraceIdRatioBased) does, and before anything is made: what is not recorded costs next to
nothing. An error is recorded all the same, with the spans of its process that led to it.

Whoever calls can ask for it, by a header or by an id that is drawn: of what comes in, so many are
recorded a second, and no more.
"""

import contextlib
import os
import time
from collections.abc import Iterable, MutableMapping
from typing import Any

import structlog

from app.config import Config
from app.telemetry import carriers, spans
from app.telemetry.carriers import Context
from app.telemetry.spans import Batch, Kind, Recorder, Span, Value

RECORDED_A_SECOND, RECORDED_BURST = 100.0, 500.0  # traces that come in, a process
_NOTHING: contextlib.nullcontext[None] = contextlib.nullcontext()
_ALL = "g"  # behind whatever is written in hexadecimal
_bound = ""  # a trace whose id's second half comes before it is recorded
_room = (RECORDED_BURST, 0.0)  # for how many there was room, and when (monotonic)


def start(process: str, config: Config) -> None:
    """Record from here on when OTEL_EXPORTER_OTLP_ENDPOINT is set; nobody is called yet."""
    if config.otlp_endpoint:
        from app.telemetry.span_export import Exporting  # noqa: PLC0415 - it takes its time

        record_to(Exporting(process, config), config.traces_share)


def record_to(recorder: Recorder | None, share: float = 1.0) -> None:
    """Hand spans of that share of all traces to `recorder`; None records nothing."""
    global _bound  # noqa: PLW0603 - one a process
    spans.record_to(recorder)
    bound = round(share * 2**64)
    _bound = f"{bound:016x}" if bound < 2**64 else _ALL


def flush(seconds: float = 2.0) -> None:
    """Send what waits, for so long at most."""
    if spans.recorder is not None:
        spans.recorder.close(seconds)


def is_on() -> bool:
    return spans.recorder is not None


def is_sampled(trace_id: str) -> bool:
    """Whether a trace that begins here is recorded: all processes say the same of the same."""
    return trace_id[16:] < _bound


def request(request_id: str, traceparent: str = "") -> Span | None:
    """The span of a request that has come in, to be named and ended with its answer; None while
    nothing is recorded.
    """
    if spans.recorder is None:
        return None
    return Span("request", "server", _let_in(_arrived(request_id, traceparent)))


def delivery(request_id: bytes, traceparent: bytes) -> Span | None:
    """The span of a webhook that is recorded, None for all others: thousands a second pass here."""
    if spans.recorder is None:
        return None
    text = request_id.decode()
    if not traceparent and not is_sampled(carriers.trace_id_of(text)):
        return None
    found = _let_in(_arrived(text, traceparent.decode("latin-1")))
    return Span("POST /webhooks", "server", found) if found.is_sampled else None


def _arrived(request_id: str, traceparent: str) -> Context:
    given = carriers.of_header(traceparent) if traceparent else None
    if given is not None:
        return given._replace(request_id=request_id)
    trace_id = carriers.trace_id_of(request_id)
    return Context(trace_id, "", request_id, is_sampled=is_sampled(trace_id))


def _let_in(found: Context) -> Context:
    """The same, not recorded where there is no room for it."""
    global _room  # noqa: PLW0603 - one door a process
    if not found.is_sampled:
        return found
    now = time.monotonic()
    left = min(RECORDED_BURST, _room[0] + (now - _room[1]) * RECORDED_A_SECOND)
    _room = (left - 1 if left >= 1 else left), now
    return found if left >= 1 else found._replace(is_sampled=False)


def span(
    name: str, kind: Kind = "internal", **attributes: Value
) -> Span | contextlib.nullcontext[None]:
    """A part of what is under way, if something is."""
    parent = spans.current.get() if spans.recorder is not None else None
    if parent is None:
        return _NOTHING
    return Span(name, kind, parent.context, parent, attributes)


def batch(name: str) -> Batch | contextlib.nullcontext[None]:
    """Work for many at once, who are told with `gather` as soon as they are known."""
    return Batch(name) if spans.recorder is not None else _NOTHING


def gather(members: Iterable[str]) -> None:
    """The carriers of whoever the batch under way is for."""
    if spans.recorder is not None and (found := spans.in_hand.get()) is not None:
        for carrier in members:
            if carrier.startswith(carriers.MARK):
                found.add(carrier)


def onward(carrier: str) -> str:
    """What goes along with what the batch under way makes of a member."""
    if spans.recorder is None or not carrier.startswith(carriers.MARK):
        return carrier
    found = spans.in_hand.get()
    member = found.members.get(carrier) if found is not None else None
    return member.carrier if member is not None else carrier


def resumed(
    name: str, carrier: str, kind: Kind = "consumer"
) -> Span | contextlib.nullcontext[None]:
    """Work that something earlier asked for: a job, a message, a redemption that goes on."""
    if spans.recorder is None:
        return _NOTHING
    if not carrier:
        above = _arrived(os.urandom(16).hex(), "")
    elif (above := carriers.read(carrier)) and not above.span_id:
        above = above._replace(is_sampled=is_sampled(above.trace_id))
    here = spans.current.get()
    if here is not None and here.context.trace_id == above.trace_id:
        return Span(name, "internal", here.context, here)
    return Span(name, kind, above)


def failed(name: str, carrier: str, error: BaseException, kind: Kind = "consumer") -> None:
    """An error that counts, of something that had no span because nobody recorded it."""
    if spans.recorder is not None:
        found = Span(name, kind, carriers.read(carrier))
        found.fail(error)
        found.end()


def carrier() -> str:
    """What goes along with what is caused here: see app.telemetry.carriers."""
    here = spans.current.get() if spans.recorder is not None else None
    if here is not None and here.context.is_sampled:
        return here.carrier
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


def headers() -> dict[str, str]:
    """What an outgoing call carries."""
    here = spans.current.get() if spans.recorder is not None else None
    return {} if here is None else {"traceparent": carriers.traceparent(here.context)}


def bound(carrier: str, **more: str) -> contextlib.AbstractContextManager[Any]:
    """Log lines inside tell the request and the trace of `carrier`, and `more`."""
    found = carriers.read(carrier)
    ids = {"trace_id": found.trace_id} if carrier.startswith(carriers.MARK) else {}
    return structlog.contextvars.bound_contextvars(request_id=found.request_id, **ids, **more)


def add_ids(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Processor: the trace of what a line is about, and the span it was said in."""
    here = spans.current.get()
    if "trace_id" not in event:
        if request_id := event.get("request_id"):
            event["trace_id"] = carriers.trace_id_of(str(request_id))
        elif here is not None:
            event["trace_id"] = here.context.trace_id
    if here is not None and here.context.trace_id == event.get("trace_id"):
        event["span_id"] = here.context.span_id
    return event
