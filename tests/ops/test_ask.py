"""`python -m ops.ask`: health a part a line, figures by their beginning, and a sentence when nobody
answers, before anybody loses patience.
"""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from local import servers
from ops import ask

HEALTH = {
    "status": "degraded",
    "release": "v1",
    "checks": {"postgres": "ok", "redis": "down"},
    "services": {
        "points": {
            "status": "late",
            "lag_seconds": 23.04,
            "stuck_seconds": 12.3,
            "reaches_database": False,
            "beat_at": "2026-11-27T14:02:11.5+00:00",
        },
        "relay": {
            "status": "down",
            "lag_seconds": 0.0,
            "stuck_seconds": 0.0,
            "reaches_database": True,
            "beat_at": None,
        },
    },
}
LATE = (
    "points: late, 23.0 s behind, has work and finishes none for 12 s, "
    "does not reach the database, last heard of 14:02:11"
)
FIGURES = """# HELP holdfast_part_alive 1 when a process of a kind lives
holdfast_part_alive{process="points"} 0.0
holdfast_part_alive{process="relay"} 1.0
"""


class Web(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.headers.get("authorization") != "Bearer a-token":
            self.send_response(401)
            self.end_headers()
            return
        self.send_response(503 if self.path == "/healthz" else 200)
        self.end_headers()
        text = FIGURES if self.path == "/metrics" else json.dumps(HEALTH)
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Web)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("HOLDFAST", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("METRICS_TOKEN", "a-token")
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.usefixtures("web")
def test_health_is_told_a_part_a_line_and_down_is_no_success() -> None:
    code, said = ask.ask("health", [])
    assert code == 1
    assert said.splitlines() == [
        "degraded, release v1",
        "postgres: ok",
        "redis: down",
        LATE,
        "relay: down, 0.0 s behind, never heard of",
    ]


@pytest.mark.usefixtures("web")
def test_figures_are_found_by_their_beginning_and_the_words_of_their_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert ask.ask("part_alive", ["points"]) == (0, 'part_alive{process="points"} 0.0')
    assert ask.ask("holdfast_part", [])[1].count("\n") == 1
    assert ask.ask("held", []) == (0, "Nothing is told of held.")
    monkeypatch.setenv("METRICS_TOKEN", "another")
    with pytest.raises(SystemExit, match="METRICS_TOKEN here is not that of web"):
        ask.ask("part_alive", [])


def test_nobody_who_answers_is_a_sentence_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST", f"http://127.0.0.1:{servers.free_port()}")
    with pytest.raises(SystemExit, match=r"does not answer \(.*refused"):
        ask.ask("live", [])
    monkeypatch.setattr(ask, "ANSWER_SECONDS", 0.2)
    hangs = ThreadingHTTPServer(("127.0.0.1", 0), Web)  # it listens, and nobody serves
    monkeypatch.setenv("HOLDFAST", f"http://127.0.0.1:{hangs.server_address[1]}")
    began = time.monotonic()
    with pytest.raises(SystemExit, match=r"does not answer \(timed out"):
        ask.ask("live", [])
    assert time.monotonic() - began < 5
    hangs.server_close()
