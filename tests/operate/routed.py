"""Two releases of web behind the real router, a real Prometheus that looks at them, the traffic of
a thousand shops, and the controller.
"""

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import asyncpg
import httpx
import yaml

from app.config import ROOT
from local import servers
from ops.canary import state
from ops.canary.controller import Plan
from ops.canary.router import Router
from ops.canary.signals import BlindError, Signals
from tests import template
from tests.stack import SECRET, Stack
from tests.waiting import wait_for
from tests.webhook import signed_headers

SHOPS = [f"shop-{number}.myshopify.com" for number in range(1_000)]
STABLE, CANARY = "v1", "v2"
TOPIC = "themes/publish"  # nothing is made of it
BODY = b'{"id": 1}'
SENDERS = 8
KNOWN_SHOPS = """
INSERT INTO shops (domain, name, currency, timezone, status, plan, scopes, token_version,
                   installed_at)
SELECT shop, shop, 'USD', 'UTC', 'active', 'standard', '', 0, now() FROM unnest($1::text[]) AS shop
"""


class Answer(NamedTuple):
    at: float  # monotonic
    shop: str
    status: int  # 0: the connection broke
    release: str
    seconds: float


class Routed:
    """Everything at its ports, and what a test does with it."""

    def __init__(self, folder: Path, stack: Stack) -> None:
        self.folder, self.stack = folder, stack
        names = ("router", "router_metrics", "prometheus", "canary")
        self.ports = {name: servers.free_port() for name in names}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.answers: list[Answer] = []
        self.fault = folder / "fault"
        self.is_fat = False  # what the canary holds
        self.pins = folder / "pins.map"
        self.router = Router(folder / "router.sock", self.pins)
        self.signals = Signals(self.url("prometheus"))
        self.plan = Plan(folder / "state")

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def spawn(self, name: str, command: list[str], **environment: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command,
                cwd=ROOT,
                stdout=log,
                stderr=log,
                env={**self.stack.environment, **environment},
            )
        return self.processes[name]

    def start(self) -> None:
        self.start_router()
        self.start_canary()
        self.start_prometheus()

    def start_router(self) -> None:
        stack, here = self.stack.ports, "127.0.0.1"
        self.pins.touch()
        (self.folder / "proxies").touch()
        self.spawn(
            "router",
            ["haproxy", "-db", "-f", "ops/haproxy/haproxy.cfg"],
            ROUTER_BIND=f"{here}:{self.ports['router']}",
            ROUTER_METRICS=f"{here}:{self.ports['router_metrics']}",
            ROUTER_SOCKET=str(self.router.socket_path),
            ROUTER_PINS=str(self.pins),
            ROUTER_PROXIES=str(self.folder / "proxies"),
            STABLE_1=f"{here}:{stack['web']}",
            STABLE_2=f"{here}:{stack['web2']}",
            CANARY=f"{here}:{self.ports['canary']}",
        )
        wait_for("the router", lambda: servers.is_listening(self.ports["router"]), 10)

    def start_canary(self) -> None:
        metrics = self.folder / "metrics-canary"
        metrics.mkdir(exist_ok=True)
        self.spawn(
            "canary",
            [sys.executable, "-m", "tests.operate.faulty_web"],
            PORT=str(self.ports["canary"]),
            RELEASE=CANARY,
            FAULT=str(self.fault),
            PROCESS_SLOT="canary",
            PROMETHEUS_MULTIPROC_DIR=str(metrics),
        )
        wait_for("the canary", lambda: servers.is_listening(self.ports["canary"]), 60)

    def start_prometheus(self) -> None:
        jobs = yaml.safe_load((ROOT / "ops/haproxy/scrape.yml").read_text(encoding="utf-8"))
        stack, here = self.stack.ports, "127.0.0.1"
        targets = {
            "router": [f"{here}:{self.ports['router_metrics']}"],
            "canary": [f"{here}:{self.ports['router_metrics']}"],
            "stable": [f"{here}:{stack['web']}"],  # the second tells the same of both
        }
        for job in jobs["scrape_configs"]:
            for one in job["static_configs"]:
                track = one.get("labels", {}).get("track")
                one["targets"] = (
                    [f"{here}:{self.ports['canary']}"]
                    if track == "canary"
                    else targets[track or job["job_name"]]
                )
        path = self.folder / "prometheus.yml"
        path.write_text(yaml.safe_dump(jobs), encoding="utf-8")
        self.spawn(
            "prometheus",
            [
                "prometheus",
                f"--config.file={path}",
                f"--storage.tsdb.path={tempfile.mkdtemp(dir=self.folder)}",
                f"--web.listen-address={here}:{self.ports['prometheus']}",
            ],
        )
        wait_for("Prometheus", lambda: servers.is_listening(self.ports["prometheus"]), 60)

    def forget(self) -> None:
        """A Prometheus that knows nothing of before."""
        running = self.processes["prometheus"]
        if running.poll() is None:
            running.terminate()
            running.wait(20)
        self.start_prometheus()
        wait_for("Prometheus knows the router", self.is_seen, 30)

    def control(self, *arguments: str, name: str = "controller") -> subprocess.Popen[bytes]:
        """`python -m ops.canary …`, started; what it says is in its log."""
        return self.spawn(
            name,
            [sys.executable, "-m", "ops.canary", *arguments],
            CANARY_FOLDER=str(self.plan.folder),
            ROUTER_SOCKET=str(self.router.socket_path),
            ROUTER_PINS=str(self.pins),
            PROMETHEUS_URL=self.url("prometheus"),
        )

    def begin(self, *options: str) -> subprocess.Popen[bytes]:
        """A canary at 5 %, watched."""
        controller = self.control(*options, "start", "--release", CANARY)
        wait_for("a canary is running", lambda: self.state().status == state.RUNNING, 30, self.said)
        return controller

    def is_seen(self) -> bool:
        try:
            found = self.signals.look(15, 0)
            is_told = self.signals.releases("canary") == {CANARY}
        except BlindError:
            return False
        return (
            is_told
            and found.canary_servers == 1
            and found.canary.letters is not None
            and self.signals.counts(0).stable.slow != {}
        )

    def state(self) -> state.State:
        return state.read(self.plan.folder)

    def said(self, name: str = "controller") -> str:
        return (self.folder / f"{name}.log").read_text(encoding="utf-8")

    # Shopify

    @contextmanager
    def traffic(self, per_second: float = 150.0) -> Iterator[None]:
        """Signed webhooks of all shops in turn, through the router."""
        stop = threading.Event()
        threads = [
            threading.Thread(target=self._send, args=(number, per_second / SENDERS, stop))
            for number in range(SENDERS)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join(30)

    def _send(self, first: int, per_second: float, stop: threading.Event) -> None:
        due, number = time.monotonic(), first
        with httpx.Client(base_url=self.url("router"), timeout=10) as client:
            while not stop.is_set():
                self.answers.append(self.deliver(client, SHOPS[number % len(SHOPS)]))
                number += SENDERS
                due = max(due + 1 / per_second, time.monotonic() - 1)
                stop.wait(max(0.0, due - time.monotonic()))

    def deliver(self, client: httpx.Client, shop: str) -> Answer:
        headers = signed_headers(BODY, TOPIC, shop, SECRET)
        began = time.monotonic()
        try:
            answer = client.post("/webhooks", content=BODY, headers=headers)
        except httpx.HTTPError:
            return Answer(began, shop, 0, "", time.monotonic() - began)
        release = answer.headers.get("x-holdfast-release", "")
        return Answer(began, shop, answer.status_code, release, time.monotonic() - began)

    def hurt(self, since: float) -> list[Answer]:
        return [one for one in self.answers if one.at >= since and one.status != 200]

    def close(self) -> None:
        self.signals.http.close()
        for process in self.processes.values():
            if process.poll() is None:
                process.terminate()
        for process in self.processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)


@contextmanager
def routed() -> Iterator[Routed]:
    """Stable twice, ingest, canary, router and Prometheus, in a thousand shops."""
    with (
        template.folder(),
        tempfile.TemporaryDirectory(prefix="hf-", ignore_cleanup_errors=True) as name,
    ):
        folder = Path(name)
        folder.chmod(0o755)
        metrics = folder / "metrics"
        metrics.mkdir()
        stack = Stack(
            folder,
            PROMETHEUS_MULTIPROC_DIR=str(metrics),
            RELEASE=STABLE,
            EMBEDDED_FSYNC="off",
            DRAIN_SECONDS="3",
        )
        made = Routed(folder, stack)
        try:
            template.copy_postgres(folder / "postgres")
            stack.start("postgres", "redis")
            stack.start("ingest", "web", "web2")
            made.start()
            yield made
        finally:
            made.close()
            stack.stop_everything()


async def install_all(stack: Stack) -> None:
    """The shops have opened the app, so that what cannot be read of them is set aside."""
    connection = await asyncpg.connect(stack.environment["DATABASE_URL"])
    try:
        await connection.execute(KNOWN_SHOPS, SHOPS)
    finally:
        await connection.close()
