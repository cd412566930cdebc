"""A receiver of log lines that is as strict as Loki about what it takes: OTLP in protobuf, and its
push in JSON; it can also be away, refuse, or be slow.
"""

import gzip
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from local import servers

LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
NANOSECONDS = re.compile(r"1[0-9]{18}")
PUSH, OTLP = "/loki/api/v1/push", "/otlp/v1/logs"


class Line(NamedTuple):
    """A line as it came: its labels, when it was said, and its text."""

    labels: dict[str, str]
    at_ns: int
    text: str


class Receiver:
    """Listens from `start` on, at one address for its whole life; `lines` is what it took,
    `refused` why it did not take something. `status` and `delay_seconds` say how it answers.
    """

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.refused: list[str] = []
        self.asked = 0
        self.status, self.delay_seconds = 0, 0.0
        self.port = servers.free_port()
        self.server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), self._handler())
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _answer(self, path: str, kind: str, body: bytes) -> int:
        self.asked += 1
        time.sleep(self.delay_seconds)
        if self.status:
            return self.status
        try:
            self.lines += of_push(kind, body) if path == PUSH else of_otlp(path, body)
        except (ValueError, KeyError, TypeError) as error:
            self.refused.append(repr(error))
            return 400
        return 204

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer = self._answer

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                status = answer(self.path, self.headers.get("Content-Type", ""), body)
                self.send_response(status)
                if status != 204:
                    self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def of_push(kind: str, body: bytes) -> list[Line]:
    """The lines of a push. Raises ValueError or KeyError for what Loki does not take."""
    if kind.partition(";")[0] != "application/json":
        raise ValueError(f"a push of {kind}")
    found = []
    for stream in json.loads(body)["streams"]:
        labels, values = stream["stream"], stream["values"]
        if not labels or not all(LABEL.fullmatch(one) for one in labels):
            raise ValueError(f"labels {labels}")
        if not all(isinstance(one, str) for one in labels.values()):
            raise ValueError(f"a label that is no text: {labels}")
        for at, text in values:
            if not isinstance(text, str) or not NANOSECONDS.fullmatch(at):
                raise ValueError(f"a line of {at!r}: {text!r}")
            found.append(Line(labels, int(at), text))
    return found


def of_otlp(path: str, body: bytes) -> list[Line]:
    """The lines of an export of logs; what Loki makes labels of is the resource."""
    if path != OTLP:
        raise ValueError(f"nothing is taken at {path}")
    found = []
    for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
        labels = {
            one.key.replace(".", "_"): one.value.string_value
            for one in resource.resource.attributes
        }
        found += [
            Line(labels, record.time_unix_nano, record.body.string_value)
            for scope in resource.scope_logs
            for record in scope.log_records
        ]
    return found
