"""`python -m ops.traces [PORT]`: a small collector for one machine, that draws the traces it got.

Start it, start Holdfast with OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 (and
OTEL_TRACES_SAMPLER_ARG=1 to see every request), and open that address in a browser.
"""

import gzip
import html
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 4318  # of OTLP over HTTP
KEPT_MAX = 20_000  # spans; the oldest go first
BODY_BYTES_MAX = 16 * 1024 * 1024
SHOWN_MAX = 50
ERROR = 2  # OTLP's status
MILLISECOND = 1_000_000
WIDTH, ROW, LEFT, RIGHT = 1180, 26, 430, 90  # pixels
PROCESS_WIDTH = 78
COLOURS = ("#3b6fd4", "#2f9e6b", "#b8731c", "#8a4fc9", "#c0392b", "#48748c")


@dataclass(frozen=True, slots=True)
class Seen:
    """A span as it came, times in nanoseconds since 1970."""

    process: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    began_ns: int
    ended_ns: int
    kind: int
    error: str
    attributes: dict[str, str]
    resource: dict[str, str]
    links: list[tuple[str, str]] = field(default_factory=list)  # trace id, span id


def read(body: bytes) -> list[Seen]:
    """The spans of an OTLP request. Raises ValueError for what is none."""
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    try:
        request = ExportTraceServiceRequest.FromString(body)  # type: ignore[no-untyped-call]
    except DecodeError as error:
        raise ValueError(f"Not OTLP: {error}") from error
    found = []
    for group in request.resource_spans:
        resource = {one.key: _text(one.value) for one in group.resource.attributes}
        found += [
            Seen(
                resource.get("service.name", "?"),
                span.name,
                span.trace_id.hex(),
                span.span_id.hex(),
                span.parent_span_id.hex(),
                span.start_time_unix_nano,
                span.end_time_unix_nano,
                span.kind,
                (span.status.message or "error") if span.status.code == ERROR else "",
                {one.key: _text(one.value) for one in span.attributes},
                resource,
                [(one.trace_id.hex(), one.span_id.hex()) for one in span.links],
            )
            for scope in group.scope_spans
            for span in scope.spans
        ]
    return found


def _text(value: object) -> str:
    kind = value.WhichOneof("value")  # type: ignore[attr-defined] # protobuf's AnyValue
    return str(getattr(value, kind)) if kind else ""


def tree(spans: Sequence[Seen]) -> list[tuple[int, Seen]]:
    """The spans of one trace, each under its parent and in the order of their beginning, with how
    deep they stand. One whose parent did not come stands at the top.
    """
    known = {one.span_id for one in spans}
    ordered = sorted(spans, key=lambda one: one.began_ns)

    def below(parent_id: str, depth: int) -> Iterator[tuple[int, Seen]]:
        for one in ordered:
            if one.parent_id == parent_id:
                yield depth, one
                yield from below(one.span_id, depth + 1)

    tops = [one for one in ordered if one.parent_id not in known]
    return [pair for top in tops for pair in ((0, top), *below(top.span_id, 1))]


def draw(spans: Sequence[Seen]) -> str:
    """One trace as an SVG: a row a span, its process, and when and how long."""
    rows = tree(spans)
    first = min(one.began_ns for one in spans)
    whole = max(1, max(one.ended_ns for one in spans) - first)
    colours = dict(zip(dict.fromkeys(one.process for _, one in rows), COLOURS * 9, strict=False))
    scale = (WIDTH - LEFT - RIGHT) / whole
    style = 'font-family="system-ui, sans-serif" font-size="13"'
    size = f'width="{WIDTH}" height="{ROW * len(rows) + 24}"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>']
    for at, (depth, one) in enumerate(rows):
        y, indent = ROW * at + 8, 8 + 18 * depth
        x, width = LEFT + (one.began_ns - first) * scale, (one.ended_ns - one.began_ns) * scale
        colour, wide = colours[one.process], max(2.0, width)
        bar = f'<rect x="{x:.1f}" y="{y}" width="{wide:.1f}" height="16" rx="3" fill="{colour}">'
        took = f"{(one.ended_ns - one.began_ns) / MILLISECOND:.1f} ms"
        parts += [
            _label(indent, y, colour, one.process),
            _label(indent + PROCESS_WIDTH, y, "#b00" if one.error else "#222", one.name),
            f"{bar}<title>{html.escape(_told(one))}</title></rect>",
            _label(min(x + wide + 6, WIDTH - RIGHT + 4), y, "#555", took),
        ]
    return "".join([*parts, "</svg>"])


def _label(x: float, y: float, colour: str, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y + 13}" fill="{colour}">{html.escape(text)}</text>'


def _told(one: Seen) -> str:
    said = [f"{name}: {value}" for name, value in sorted(one.attributes.items())]
    return "\n".join([one.name, *([one.error] if one.error else []), *said])


def page(spans: Sequence[Seen]) -> str:
    """The newest traces, the largest of those first that came together."""
    traces: dict[str, list[Seen]] = {}
    for one in reversed(spans):
        traces.setdefault(one.trace_id, []).append(one)
    drawn = [
        f"<h2>{trace_id}</h2>{draw(of_one)}"
        for trace_id, of_one in list(traces.items())[:SHOWN_MAX]
    ]
    style = "body{font:15px system-ui,sans-serif;margin:24px}h2{font:600 13px monospace}"
    return (
        f"<!doctype html><meta charset=utf-8><title>Traces</title><style>{style}</style>"
        f"<h1>Traces</h1>{''.join(drawn) or '<p>None yet.</p>'}"
    )


class Collector(ThreadingHTTPServer):
    """Takes spans at /v1/traces, and shows them at /."""

    daemon_threads = True

    def __init__(self, port: int = 0, handler: type[BaseHTTPRequestHandler] | None = None) -> None:
        """On the loopback alone; port 0 takes any that is free."""
        super().__init__(("127.0.0.1", port), handler or Handler)
        self.spans: list[Seen] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def take(self, body: bytes) -> None:
        found = read(body)
        with self.lock:
            self.spans = [*self.spans, *found][-KEPT_MAX:]


class Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_GET(self) -> None:
        self.answer(200, page(self.server.spans).encode(), "text/html; charset=utf-8")

    def do_POST(self) -> None:
        try:
            self.server.take(self.body())
        except ValueError as error:
            self.answer(400, str(error).encode())
        else:
            self.answer(200, b"", "application/x-protobuf")

    def body(self) -> bytes:
        """What was sent, unpacked. Raises ValueError for too much of it."""
        length = int(self.headers.get("Content-Length", "0"))
        if length > BODY_BYTES_MAX:
            raise ValueError("Too large.")
        sent = self.rfile.read(length)
        return gzip.decompress(sent) if self.headers.get("Content-Encoding") == "gzip" else sent

    def answer(self, status: int, body: bytes, kind: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """A line a request would say nothing."""


def main() -> None:
    collector = Collector(int(sys.argv[1]) if len(sys.argv) > 1 else PORT)
    print(f"Set OTEL_EXPORTER_OTLP_ENDPOINT={collector.url} and open that address.")
    try:
        collector.serve_forever()
    except KeyboardInterrupt:
        collector.server_close()


if __name__ == "__main__":
    main()
