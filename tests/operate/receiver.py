"""A receiver of log lines that speaks what Loki takes: OTLP in protobuf, and its push in JSON."""

import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from local import servers


class Receiver:
    """Listens while its block runs; `records` are the fields of each line that came."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.port = servers.free_port()
        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), self._handler())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def count(self, field: str) -> int:
        """How many of them have the field."""
        return sum(field in one for one in list(self.records))

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def _take(self, path: str, body: bytes) -> None:
        if path == "/otlp/v1/logs":
            self.records += _of_otlp(body)
        elif path == "/loki/api/v1/push":
            self.records += _of_push(body)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        take = self._take

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                take(self.path, body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def _of_otlp(body: bytes) -> list[dict[str, Any]]:
    found = []
    for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
        told = {one.key: one.value.string_value for one in resource.resource.attributes}
        process = {"process": told["service.name"]} if "service.name" in told else {}
        found += [
            {**{one.key: one.value.string_value for one in record.attributes}, **process}
            for scope in resource.scope_logs
            for record in scope.log_records
        ]
    return found


def _of_push(body: bytes) -> list[dict[str, Any]]:
    return [
        {**json.loads(line), **stream["stream"]}
        for stream in json.loads(body)["streams"]
        for _, line, *_ in stream["values"]
    ]
