"""Spans to a collector by OpenTelemetry's SDK: a bounded queue and a thread that sends, so that a
collector that is slow or away costs spans, which are counted, and nobody's time.
"""

import logging
import threading
from collections.abc import Sequence

import structlog
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from app.config import Config
from app.telemetry.carriers import Context
from app.telemetry.metrics import LOST_SIGNALS
from app.telemetry.spans import Span

QUEUE_MAX = 4_096
BATCH_MAX = 512
EVERY_MILLISECONDS = 1_000
SEND_SECONDS = 3.0  # the exporter's tries together
_SCOPE = InstrumentationScope("holdfast")
_FLAGS = TraceFlags(TraceFlags.SAMPLED)  # whatever comes here is to be kept
_KINDS = {kind.name.lower(): kind for kind in SpanKind}
_WELL, _FAILED = Status(StatusCode.UNSET), StatusCode.ERROR


class Exporting:
    """Sends the spans of a process to OTEL_EXPORTER_OTLP_ENDPOINT."""

    def __init__(self, process: str, config: Config) -> None:
        # we say ourselves, and once, that the collector is away
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        self.resource = Resource.create(
            {
                "service.name": process,
                "service.namespace": "holdfast",
                "service.instance.id": config.process_slot,
                "service.version": config.release,
                "deployment.environment.name": config.environment,
            }
        )
        self.sender = _Counting(
            OTLPSpanExporter(
                config.otlp_endpoint.rstrip("/") + "/v1/traces",
                timeout=SEND_SECONDS,
                compression=Compression.Gzip,
            )
        )
        self.processor = BatchSpanProcessor(
            self.sender,
            max_queue_size=QUEUE_MAX,
            schedule_delay_millis=EVERY_MILLISECONDS,
            max_export_batch_size=BATCH_MAX,
        )
        self.taken = 0

    def record(self, span: Span) -> None:
        """Queue it; one too many is dropped here, where it can be counted."""
        if self.taken - self.sender.done >= QUEUE_MAX:
            LOST_SIGNALS.labels("traces").inc()
            return
        self.taken += 1
        self.processor.on_end(self._readable(span))

    def close(self, seconds: float) -> None:
        """Send what waits, for so long at most."""
        closing = threading.Thread(target=self.processor.shutdown, daemon=True)
        closing.start()
        closing.join(seconds)

    def _readable(self, span: Span) -> ReadableSpan:
        parent = span.context._replace(span_id=span.parent_id) if span.parent_id else None
        status = Status(_FAILED, span.error) if span.error else _WELL
        return ReadableSpan(
            span.name,
            context=_context(span.context),
            parent=None if parent is None else _context(parent),
            resource=self.resource,
            attributes={**span.attributes, "holdfast.request_id": span.context.request_id},
            links=[Link(_context(one)) for one in span.links],
            kind=_KINDS[span.kind],
            status=status,
            start_time=span.began_ns,
            end_time=span.ended_ns,
            instrumentation_scope=_SCOPE,
        )


class _Counting(SpanExporter):
    """The exporter, and how many spans it is done with; what it could not send is counted lost."""

    def __init__(self, exporter: SpanExporter) -> None:
        self.exporter = exporter
        self.done = 0
        self.is_away = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = SpanExportResult.FAILURE
        try:
            result = self.exporter.export(spans)
        finally:
            self.done += len(spans)
            self._tell(len(spans), is_away=result is not SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        self.exporter.shutdown()

    def _tell(self, count: int, *, is_away: bool) -> None:
        if is_away:
            LOST_SIGNALS.labels("traces").inc(count)
        if is_away != self.is_away:
            self.is_away = is_away
            log = structlog.get_logger()
            if is_away:
                log.warning("the collector takes no traces; they are dropped until it does")
            else:
                log.info("the collector takes traces again")


def _context(one: Context) -> SpanContext:
    return SpanContext(
        int(one.trace_id, 16), int(one.span_id, 16), is_remote=True, trace_flags=_FLAGS
    )
