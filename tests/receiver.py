"""One HTTP server that speaks what leaves the house: OTLP, Sentry's envelopes, PostHog's batches;
it can also be slow, or refuse everything.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ops.traces import Collector, Handler


class Receiver(Collector):
    """What came, by whom it is for; `delay_seconds` and `status` say how it answers."""

    def __init__(self) -> None:
        self.sentry: list[dict[str, Any]] = []  # events
        self.posthog: list[dict[str, Any]] = []
        self.asked = 0
        self.delay_seconds = 0.0
        self.status = 200
        self.headers: dict[str, str] = {}  # of each answer
        self.says = b""  # to traces that were taken
        super().__init__(0, _Handler)

    @property
    def sentry_dsn(self) -> str:
        return self.url.replace("://", "://key@") + "/7"

    @property
    def settings(self) -> dict[str, str]:
        """What makes a process tell everything here."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.url,
            "OTEL_TRACES_SAMPLER_ARG": "1",
            "SENTRY_DSN": self.sentry_dsn,
            "POSTHOG_API_KEY": "phc_test",
            "POSTHOG_HOST": self.url,
        }


class _Handler(Handler):
    server: Receiver

    def end_headers(self) -> None:
        for header in self.server.headers.items():
            self.send_header(*header)
        super().end_headers()

    def do_POST(self) -> None:  # noqa: N802 - what http.server calls
        body = self.body()
        self.server.asked += 1
        time.sleep(self.server.delay_seconds)
        if self.server.status != 200:
            self.answer(self.server.status, b"away")
        elif self.path.endswith("/envelope/"):
            self.server.sentry += _events(body)
            self.answer(200, b"{}", "application/json")
        elif self.path.startswith("/batch"):
            self.server.posthog += json.loads(body)["batch"]
            self.answer(200, b'{"status": 1}', "application/json")
        else:
            assert self.path == "/v1/traces", self.path
            self.server.take(body)
            self.answer(200, self.server.says, "application/x-protobuf")


def _events(envelope: bytes) -> list[dict[str, Any]]:
    """A line of its own header, then for each item a header and what it announces."""
    rest = envelope.partition(b"\n")[2]
    found = []
    while rest.strip():
        head, _, rest = rest.partition(b"\n")
        item = json.loads(head)
        length = item.get("length", len(rest.partition(b"\n")[0]))
        payload, rest = rest[:length], rest[length:].lstrip(b"\n")
        if item["type"] == "event":
            found.append(json.loads(payload))
    return found


@contextmanager
def receiving() -> Iterator[Receiver]:
    with Receiver() as receiver:
        serving = threading.Thread(target=receiver.serve_forever, daemon=True)
        serving.start()
        try:
            yield receiver
        finally:
            receiver.shutdown()
            serving.join(timeout=5)
