"""`make observe`: Prometheus and Alertmanager beside `make run`, and what they call you for."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from app.config import ROOT
from local import servers
from ops import here

OPS = ROOT / "ops"
TELL_BYTES_MAX = 1024 * 1024
STOP_SECONDS = 10.0
READY_SECONDS = 60.0
RETENTION = "2d"
WATCHDOG = "watchdog"  # its receiver, which would call somebody if it heard nothing
Tell = Callable[[str, dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Ports:
    """Where each of the three listens on the loopback interface."""

    prometheus: int = 9090
    alertmanager: int = 9093
    receiver: int = 9095


@contextmanager
def observing(
    folder: Path,
    targets: list[str],
    ports: Ports,
    tell: Tell,
    texts: Mapping[str, str] | None = None,
) -> Iterator[None]:
    """Prometheus (with the rules and alerts here) and Alertmanager (as the example says) over
    `targets` (host:port), with their data in `folder`; `tell(receiver, alert)` for each alert that
    is sent out. `texts` replaces pieces of the settings: intervals, for tests.

    Raises SystemExit when a program is missing or does not get ready.
    """
    found = {name: shutil.which(name) for name in ("prometheus", "prometheus-alertmanager")}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        raise SystemExit(
            f"Not on the PATH: {', '.join(missing)}. Debian has packages of that name."
        )
    _write_settings(folder, targets, ports, texts or {})
    commands = [
        [
            str(found["prometheus"]),
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/prometheus",
            f"--storage.tsdb.retention.time={RETENTION}",
            f"--web.listen-address=127.0.0.1:{ports.prometheus}",
            "--log.level=warn",
        ],
        [
            str(found["prometheus-alertmanager"]),
            f"--config.file={folder}/alertmanager.yml",
            f"--storage.path={folder}/alertmanager",
            f"--web.listen-address=127.0.0.1:{ports.alertmanager}",
            "--cluster.listen-address=",  # one is no cluster
            "--log.level=warn",
        ],
    ]
    receiver = ThreadingHTTPServer(("127.0.0.1", ports.receiver), _handler(tell))
    receiver.daemon_threads = True
    threading.Thread(target=receiver.serve_forever, name="receiver", daemon=True).start()
    started: list[subprocess.Popen[bytes]] = []
    try:
        with (folder / "log").open("ab") as log:
            started += [subprocess.Popen(one, stdout=log, stderr=log) for one in commands]
        for process, port in zip(started, (ports.prometheus, ports.alertmanager), strict=True):
            _wait_for(process, port, folder)
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
            process.kill()
            process.wait()
        receiver.shutdown()
        receiver.server_close()


def _write_settings(
    folder: Path, targets: list[str], ports: Ports, texts: Mapping[str, str]
) -> None:
    """The files of this folder with the addresses (and `texts`) put in."""
    folder.mkdir(parents=True, exist_ok=True)
    addresses = {
        '"127.0.0.1:8000"': ", ".join(json.dumps(one) for one in targets),
        "127.0.0.1:9093": f"127.0.0.1:{ports.alertmanager}",
        "127.0.0.1:9095": f"127.0.0.1:{ports.receiver}",
        **texts,
    }
    for path in (
        *(OPS / "prometheus" / name for name in ("prometheus.yml", "rules.yml", "alerts.yml")),
        OPS / "alertmanager" / "alertmanager.yml",
    ):
        text = path.read_text(encoding="utf-8")
        for before, after in addresses.items():
            text = text.replace(before, after)
        (folder / path.name).write_text(text, encoding="utf-8")


def _wait_for(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    ends = time.monotonic() + READY_SECONDS
    while not servers.is_listening(port):
        if process.poll() is not None or time.monotonic() > ends:
            raise SystemExit(f"It did not get ready at port {port}; see {folder}/log.")
        time.sleep(0.05)


def _handler(tell: Tell) -> type[BaseHTTPRequestHandler]:
    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = min(int(self.headers.get("Content-Length") or 0), TELL_BYTES_MAX)
            for alert in json.loads(self.rfile.read(length)).get("alerts", ()):
                tell(self.path.strip("/"), alert)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """What is told is printed, not that it came."""

    return Receiver


def said(receiver: str, alert: Mapping[str, Any]) -> str:
    """An alert as two lines: whether it began or ended, who is told, what it is; where to read."""
    texts = alert["annotations"]
    now = "BEGAN" if alert["status"] == "firing" else "ended"
    what = f"{now} {alert['labels']['alertname']} ({receiver})"
    return (
        f"{time.strftime('%H:%M:%S')} {what}: {texts['summary']}\n         {texts['runbook_url']}"
    )


def tell(receiver: str, alert: Mapping[str, Any]) -> None:
    """Print who would be called; that somebody watches is no news."""
    if receiver != WATCHDOG:
        print(said(receiver, alert), flush=True)


def main() -> None:
    """Until Ctrl-C; the app need not run yet."""
    ports = Ports()
    target = urlsplit(here.app_url()).netloc
    for signal_number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # in the background of a script the first is ignored, and would be so for all three
        signal.signal(signal_number, signal.default_int_handler)
    with observing(
        here.DATA / "observe",
        [target],
        ports,
        tell,
    ):
        print(
            f"Prometheus    http://127.0.0.1:{ports.prometheus}/alerts\n"
            f"Alertmanager  http://127.0.0.1:{ports.alertmanager}\n"
            f"watching {target}; who would be called is printed here. Ctrl-C ends it.",
            flush=True,
        )
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
