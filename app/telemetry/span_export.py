"""Spans to a collector by OTLP: a bounded queue and a thread that sends, so that a collector that
is slow or away costs spans, which are counted, and nobody's time.

OpenTelemetry's own classes give the messages. Its SDK would make three objects more of each span
and take six times as long, which on this road is felt at one trace of twenty.
"""

import functools
import gzip
import os
import threading
from collections import deque
from collections.abc import Sequence
from urllib.parse import unquote

import httpx
import structlog
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message

from app.config import Config
from app.telemetry.metrics import LOST_SIGNALS
from app.telemetry.spans import Span, Value

QUEUE_MAX = 4_096
BATCH_MAX = 512
EVERY_SECONDS = 1.0
SEND_SECONDS = 3.0
COMPRESS_LEVEL = 1
LATER = {429, 502, 503, 504}  # what OTLP says may be sent again
LATER_SECONDS_MIN, LATER_SECONDS_MAX = 5, 60
HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"  # name=value,name=value, as OpenTelemetry writes them
KINDS = {
    "internal": Message.SPAN_KIND_INTERNAL,
    "server": Message.SPAN_KIND_SERVER,
    "client": Message.SPAN_KIND_CLIENT,
    "producer": Message.SPAN_KIND_PRODUCER,
    "consumer": Message.SPAN_KIND_CONSUMER,
}
SCOPE = InstrumentationScope(name="holdfast")


class Exporting:
    """Sends the spans of a process to OTEL_EXPORTER_OTLP_ENDPOINT."""

    def __init__(self, process: str, config: Config) -> None:
        self.url = config.otlp_endpoint.rstrip("/") + "/v1/traces"
        said = {
            "service.name": process,
            "service.namespace": "holdfast",
            "service.instance.id": config.process_slot,
            "service.version": config.release,
            "deployment.environment.name": config.environment,
        }
        self.resource = Resource(attributes=[_attribute(*one) for one in said.items()])
        self.headers = {
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "gzip",
            **_given_headers(os.environ.get(HEADERS, "")),
        }
        self.trust_env = config.is_production
        self.waiting: deque[Span] = deque()
        self.is_away = False
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._send_for_ever, name="traces", daemon=True)
        self.thread.start()

    def record(self, span: Span) -> None:
        """Queue it; one too many is dropped and counted."""
        if len(self.waiting) >= QUEUE_MAX:
            LOST_SIGNALS.labels("traces").inc()
        else:
            self.waiting.append(span)

    def close(self, seconds: float) -> None:
        """Send what waits, for so long at most."""
        self.ending.set()
        self.thread.join(seconds)

    def _send_for_ever(self) -> None:
        # a developer's proxy would be asked for a collector on loopback
        with httpx.Client(timeout=SEND_SECONDS, trust_env=self.trust_env) as client:
            pause_seconds = EVERY_SECONDS
            while not self.ending.wait(pause_seconds):
                pause_seconds = max(EVERY_SECONDS, self._send_all(client))
            self._send_all(client)
            LOST_SIGNALS.labels("traces").inc(len(self.waiting))

    def _send_all(self, client: httpx.Client) -> float:
        """Sends what waits; for how long the collector asked to be left alone."""
        while self.waiting:
            count = min(len(self.waiting), BATCH_MAX)
            batch = [self.waiting.popleft() for _ in range(count)]
            try:
                body = gzip.compress(encode(self.resource, batch), COMPRESS_LEVEL)
                answer = client.post(self.url, content=body, headers=self.headers)
                if pause_seconds := _asked_to_wait(answer):
                    self.waiting.extendleft(reversed(batch))
                    self._tell(is_away=True, reason=f"status {answer.status_code}")
                    return pause_seconds
                answer.raise_for_status()
                refused = min(count, _refused(answer.content))
            except Exception as error:  # noqa: BLE001 - these are lost, the next may pass
                LOST_SIGNALS.labels("traces").inc(count)
                self._tell(is_away=True, reason=type(error).__name__)
            else:
                LOST_SIGNALS.labels("traces").inc(refused)
                self._tell(is_away=False)
        return 0.0

    def _tell(self, *, is_away: bool, reason: str = "") -> None:
        if is_away == self.is_away:
            return
        self.is_away = is_away
        log = structlog.get_logger()
        if is_away:
            log.warning("the collector takes no traces; they are dropped", reason=reason)
        else:
            log.info("the collector takes traces again")


def _asked_to_wait(answer: httpx.Response) -> float:
    """Seconds, where it will take the same later."""
    if answer.status_code not in LATER:
        return 0.0
    told = answer.headers.get("Retry-After", "")
    seconds = int(told) if told.isascii() and told.isdigit() else 0
    return float(min(max(seconds, LATER_SECONDS_MIN), LATER_SECONDS_MAX))


def _refused(body: bytes) -> int:
    """How many spans it took none of, by what a collector says that took the others."""
    try:
        told = ExportTraceServiceResponse.FromString(body)  # type: ignore[no-untyped-call]
    except DecodeError:
        return 0  # something else that said 200: nothing is known
    return max(0, int(told.partial_success.rejected_spans))


def encode(resource: Resource, spans: Sequence[Span]) -> bytes:
    """An OTLP request with these spans."""
    scope = ScopeSpans(scope=SCOPE, spans=[_message(one) for one in spans])
    group = ResourceSpans(resource=resource, scope_spans=[scope])
    request = ExportTraceServiceRequest(resource_spans=[group])
    return bytes(request.SerializeToString())  # type: ignore[no-untyped-call] # protobuf is not


def _message(span: Span) -> Message:
    context = span.context
    attributes = [_attribute(*one) for one in span.attributes.items()]
    if context.request_id != context.trace_id:
        attributes.append(_attribute("holdfast.request_id", context.request_id))
    return Message(
        name=span.name,
        trace_id=bytes.fromhex(context.trace_id),
        span_id=bytes.fromhex(context.span_id),
        parent_span_id=bytes.fromhex(span.parent_id),
        kind=KINDS[span.kind],
        start_time_unix_nano=span.began_ns,
        end_time_unix_nano=span.ended_ns,
        attributes=attributes,
        links=[
            Message.Link(trace_id=bytes.fromhex(one.trace_id), span_id=bytes.fromhex(one.span_id))
            for one in span.links
        ],
        status=Status(code=Status.STATUS_CODE_ERROR, message=span.error) if span.error else None,
    )


@functools.lru_cache(maxsize=1_024, typed=True)  # most are few, or come again with the next span
def _attribute(name: str, value: Value) -> KeyValue:
    if isinstance(value, bool):
        return KeyValue(key=name, value=AnyValue(bool_value=value))
    if isinstance(value, int):
        return KeyValue(key=name, value=AnyValue(int_value=value))
    if isinstance(value, float):
        return KeyValue(key=name, value=AnyValue(double_value=value))
    return KeyValue(key=name, value=AnyValue(string_value=value))


def _given_headers(text: str) -> dict[str, str]:
    pairs = (one.partition("=") for one in text.split(",") if "=" in one)
    return {name.strip(): unquote(value.strip()) for name, _, value in pairs}
