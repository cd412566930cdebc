"""`make kafka`: a real Kafka broker, and the whole product of `make run` on it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from app import config as settings
from local import servers
from ops.kafka import broker

READY_SECONDS = 60
STOP_SECONDS = 10
products: list[subprocess.Popen[bytes]] = []  # one, once it is started


def main() -> None:
    data = Path(os.environ.get("HOLDFAST_DATA", settings.ROOT / ".holdfast")).resolve()
    folder = data / "kafka"
    noted = folder / "port"
    port = int(noted.read_text()) if noted.exists() else servers.free_port()
    folder.mkdir(parents=True, exist_ok=True)
    noted.write_text(str(port))
    broker.prepare([folder], [port])
    with (folder / "kafka.log").open("ab") as log:
        running = subprocess.Popen(
            broker.command(folder), stdout=log, stderr=log, start_new_session=True
        )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop_product)  # which ends first, and then the broker
    try:
        wait_for_broker(running, port, folder)
        url = f"kafka://127.0.0.1:{port}/facts"
        print(f"Kafka listens on port {port}; the bus is {url}", flush=True)
        products.append(
            subprocess.Popen(
                [sys.executable, "-m", "local.run"], env={**os.environ, "BUS_URL": url}
            )
        )
        raise SystemExit(products[0].wait())
    finally:
        running.terminate()
        try:
            running.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            running.kill()


def stop_product(number: int, _: object) -> None:
    """Ctrl-C reaches it, too; whoever ends us alone ends it by that."""
    for product in products:
        if number == signal.SIGTERM:
            product.send_signal(signal.SIGINT)


def wait_for_broker(running: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    """Raises SystemExit when it ends, or is not there in time."""
    deadline = time.monotonic() + READY_SECONDS
    while not servers.is_listening(port):
        if running.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"Kafka did not start; see {folder / 'kafka.log'}.")
        time.sleep(0.1)


if __name__ == "__main__":
    main()
