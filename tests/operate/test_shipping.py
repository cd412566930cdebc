"""Log lines on their way to Loki by real agents with the settings under ops/: each comes
once, as it was said, and whoever is away or refuses costs none and is noticed by nobody.
"""

import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.config import ROOT
from app.services import PROCESSES
from local import servers
from tests.living import living
from tests.operate.parts import built, needed
from tests.operate.receiver import Line, Receiver
from tests.receiver import receiving
from tests.stack import SHOP, Stack
from tests.waiting import wait_for

pytestmark = pytest.mark.operate
COLLECTOR = str(ROOT / "ops" / "otel-collector.yaml")
SYSLOG_NG = str(ROOT / "ops" / "syslog-ng" / "holdfast.conf")
ODD = 'it\'s "quoted", a \\ and é \U0001f642\n{}'
MICROSECOND_NS = 1_000


@pytest.fixture(scope="module")
def run() -> Iterator[Stack]:
    """A shop with an order, told to a collector that is not there when its processes start."""
    here = f"http://127.0.0.1:{servers.free_port()}"
    with living(OTEL_EXPORTER_OTLP_ENDPOINT=here, OTEL_TRACES_SAMPLER_ARG="1") as stack:
        bob = stack.customer()
        stack.order(bob, "20.00")
        stack.wait_for_points(bob, 20)
        with (stack.directory / "web.log").open("a", encoding="utf-8") as log:
            log.write(json.dumps(_odd(), ensure_ascii=False) + "\n")
        in_two = json.dumps({**_odd(), "event": "in two"})
        kept = [
            f"F {json.dumps({**_odd(), 'event': 'kept'})}",
            f"P {in_two[:40]}",
            f"F {in_two[40:]}",
        ]
        written = [f"2026-11-27T13:00:00.5Z stdout {line}\n" for line in kept]
        (stack.directory / "pod.log").write_text("".join(written), encoding="utf-8")
        yield stack


def _odd() -> dict[str, Any]:
    at = "2026-11-27T13:00:00.123456Z"
    return {"timestamp": at, "level": "info", "event": ODD, "process": "web", "shop": SHOP}


def said(stack: Stack) -> list[str]:
    """What the processes of Holdfast said so far, all of it JSON."""
    files = [(stack.directory / f"{name}.log").read_text("utf-8") for name in PROCESSES]
    return [one for text in files for one in text.split("\n") if one.startswith("{")]


def look_at_a_page(stack: Stack) -> None:
    """One line more, at least."""
    before = len(said(stack))
    stack.open_admin("/")
    wait_for("it is said", lambda: len(said(stack)) > before, 20)


@contextmanager
def collector(stack: Stack, loki: str, tracer: str, folder: Path) -> Iterator[None]:
    """The collector between the stack and these two; its own words are in `folder`."""
    program = built("otelcol-contrib", "otelcol")
    settings = {
        "HOLDFAST_LOGS": str(stack.directory),
        "LOKI_URL": loki,
        "TRACES_URL": tracer,
        "OTLP_LISTEN": stack.environment["OTEL_EXPORTER_OTLP_ENDPOINT"].removeprefix("http://"),
    }
    checked = [program, "validate", f"--config={COLLECTOR}"]
    subprocess.run(checked, env={**os.environ, **settings}, check=True)
    with _running([program, f"--config={COLLECTOR}"], settings, folder / "collector.log"):
        yield


@contextmanager
def syslog_ng(stack: Stack, loki: str, folder: Path) -> Iterator[None]:
    """syslog-ng, which pushes as Promtail does; it remembers how far it came in `folder`."""
    needed("syslog-ng")
    settings = {"HOLDFAST_LOGS": str(stack.directory), "LOKI_URL": loki}
    places = {"persist-file": "kept", "control": "control", "pidfile": "pid"}
    files = [f"--{option}={folder / name}" for option, name in places.items()]
    command = ["syslog-ng", "-F", "-e", "--no-caps", "-f", SYSLOG_NG, *files]
    with _running(command, settings, folder / "syslog-ng.log"):
        yield


@contextmanager
def _running(command: list[str], settings: dict[str, str], log: Path) -> Iterator[None]:
    with log.open("ab") as words:
        environment = {**os.environ, **settings}
        process = subprocess.Popen(command, env=environment, stdout=words, stderr=words)
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)


def check(run: Stack, found: list[Line]) -> None:
    """Each line once, word for word, under the labels and at the time it says itself."""
    came = Counter(line.text for line in found)
    wanted = Counter(said(run))
    assert not wanted - came, "lines that did not come"
    assert not {text for text in came if not text.startswith("{")}, "people may be in these"
    for line in found:
        fields = json.loads(line.text)
        assert line.labels["service_namespace"] == "holdfast"
        assert line.labels["service_name"] == fields["process"]
        at = datetime.fromisoformat(fields["timestamp"])
        assert abs(line.at_ns - int(at.timestamp() * 10**6) * MICROSECOND_NS) <= 2 * MICROSECOND_NS
    assert ODD in {json.loads(line.text)["event"] for line in found}


def test_the_collector_ships_every_line_and_passes_traces_on(run: Stack, tmp_path: Path) -> None:
    with Receiver() as loki, receiving() as tracer:
        with collector(run, loki.url, tracer.url, tmp_path):
            time.sleep(3)  # it has begun to read, and nobody takes it
            look_at_a_page(run)
            loki.status = 503
            loki.start()
            wait_for("it tries", lambda: loki.asked > 1, 60)
            loki.status, loki.asked = 429, 0
            wait_for("it tries again", lambda: loki.asked > 1, 60)
            loki.status = 0
            wait_for("all lines came", lambda: len(loki.lines) >= len(said(run)), 60)
            wait_for("traces came", lambda: bool(tracer.spans), 60)
        check(run, loki.lines)
        events = {json.loads(line.text)["event"] for line in loki.lines}
        assert {"kept", "in two"} <= events, "as a container runtime keeps lines"
        assert not loki.refused


def test_an_agent_that_pushes_ships_every_line_whoever_is_away(run: Stack, tmp_path: Path) -> None:
    with Receiver() as loki:
        with syslog_ng(run, loki.url, tmp_path):
            time.sleep(2)
            look_at_a_page(run)
            loki.status = 503
            loki.start()
            for status in (503, 429, 500):
                loki.status, loki.asked = status, 0
                wait_for(f"it tries after {status}", lambda: loki.asked > 1, 60)
            loki.status, loki.delay_seconds = 0, 1.0
            wait_for("all lines came", lambda: len(loki.lines) >= len(said(run)), 60)
        check(run, loki.lines)
        here = len(loki.lines)
        loki.delay_seconds = 0.0
        look_at_a_page(run)
        with syslog_ng(run, loki.url, tmp_path):  # it was ended meanwhile, and knows where it was
            wait_for("what is new came", lambda: len(loki.lines) >= len(said(run)), 60)
        assert here < len(loki.lines) == len(said(run))
        check(run, loki.lines)
        assert not loki.refused


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """VictoriaLogs, which takes what Loki takes."""
    program, port = built("victoria-logs"), servers.free_port()
    folder = tmp_path_factory.mktemp("kept")
    data = f"-storageDataPath={folder / 'data'}"
    url = f"http://127.0.0.1:{port}"
    with _running([program, f"-httpListenAddr=127.0.0.1:{port}", data], {}, folder / "log"):
        wait_for("it is there", lambda: _is_up(url), 30)
        yield url


def _is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health").status_code == 200
    except httpx.HTTPError:
        return False


def asked(url: str, query: str) -> list[dict[str, str]]:
    """What a question in LogsQL is answered."""
    answer = httpx.get(f"{url}/select/logsql/query", params={"query": query})
    answer.raise_for_status()
    return [json.loads(line) for line in answer.text.splitlines()]


def test_a_real_server_takes_the_push_and_answers_what_the_merchants_board_asks(
    run: Stack, kept: str, tmp_path: Path
) -> None:
    """Loki's own language is not its own; the same is asked in its LogsQL."""

    def count(query: str) -> int:
        return int(asked(kept, f"{query} | stats count() as lines")[0]["lines"])

    with syslog_ng(run, f"{kept}/insert", tmp_path):
        wait_for(
            "all lines came", lambda: count("service_namespace:=holdfast") >= len(said(run)), 60
        )
    assert count("service_namespace:=holdfast") == len(said(run))
    of_shop = f'service_namespace:=holdfast shop:="{SHOP}"'
    by_status = asked(kept, f"{of_shop} event:=request | stats by (status) count() as lines")
    assert {one["status"] for one in by_status} == {"200"}
    slow = asked(
        kept, f"{of_shop} event:=request | stats by (route) quantile(0.99, milliseconds) as p99"
    )
    assert all(float(one["p99"]) > 0 for one in slow)
    assert "/" in {one["route"] for one in slow}
    one = next(json.loads(line) for line in said(run) if '"request_id"' in line and SHOP in line)
    assert count(f'service_namespace:=holdfast request_id:="{one["request_id"]}"') >= 1
    assert count("service_namespace:=holdfast level:in(warning,error,critical)") == sum(
        json.loads(line)["level"] in {"warning", "error", "critical"} for line in said(run)
    )
