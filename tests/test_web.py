"""The web process as it really runs: uvicorn, its log, and how it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app import config as settings
from local import servers
from tests.conftest import Servers
from tests.template import wait_for_port


@pytest.fixture
def web(embedded: Servers, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str, Path]]:
    port = servers.free_port()
    log = tmp_path / "web.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "workers.web"],
            cwd=settings.ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **embedded.environment, "PORT": str(port)},
        )
    try:
        wait_for_port(port)
        yield process, f"http://127.0.0.1:{port}", log
    finally:
        process.kill()
        process.wait(timeout=10)


def test_it_answers_here_alone_logs_json_and_ends_within_five_seconds(web) -> None:
    process, url, log = web
    assert_it_listens_on_the_loopback_alone(int(url.rsplit(":", 1)[1]))
    with httpx.Client(base_url=url) as client:
        health = client.get("/healthz")
        assert health.json()["checks"] == {"postgres": "ok", "redis": "ok"}
        assert "server" not in health.headers
        refused = client.post("/webhooks", content=b"{}", headers={"x-request-id": "delivery-1"})
        assert (refused.status_code, refused.headers["x-request-id"]) == (400, "delivery-1")
        large = client.post("/webhooks", content=b"x" * (5 * 1024 * 1024 + 1))
        assert (large.status_code, large.json()["error"]["code"]) == (413, "too_large")
        assert client.get("/storefront/me").status_code == 401
        # the connection stays open: an idle shopper must not hold up a deploy
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
    assert time.monotonic() - began < 10, "usually a quarter of a second"
    assert process.returncode == 0, "it ended by itself, after sending what waited"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    answered = {
        (line["event"], line.get("route"), line["status"]) for line in lines if "status" in line
    }
    assert answered >= {
        ("webhook refused", None, 400),
        ("webhook refused", None, 413),
        ("request", "/storefront/me", 401),
    }
    assert not any(line.get("route") == "/healthz" for line in lines), (
        "a health check that went well is no news"
    )
    assert {line["request_id"] for line in lines if line["event"] == "webhook refused"} >= {
        "delivery-1"
    }
    assert not [line for line in lines if line["level"] in {"error", "critical"}]


def assert_it_listens_on_the_loopback_alone(port: int) -> None:
    others = [
        address
        for *_, (address, *_) in socket.getaddrinfo(socket.gethostname(), port, socket.AF_INET)
    ]
    for address in {one for one in others if not str(one).startswith("127.")}:
        with socket.socket() as probe:
            assert probe.connect_ex((address, port)) != 0


def test_in_production_without_settings_it_refuses_with_a_sentence(embedded: Servers) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "workers.web"],
        cwd=settings.ROOT,
        env={"PATH": os.environ["PATH"], "HOLDFAST_ENV": "production"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode != 0
    assert "SHOPIFY_API_SECRET" in done.stderr
    assert "Traceback" not in done.stderr
