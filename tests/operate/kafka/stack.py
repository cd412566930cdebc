"""All processes of Holdfast with Kafka as their bus, and a real broker beside the other stores."""

import sys
from pathlib import Path
from typing import Any

from local import servers
from ops.kafka import broker
from tests.stack import Stack


class KafkaStack(Stack):
    """A stack in which `kafka` can be started, stopped, killed and paused like every other part."""

    def __init__(self, directory: Path, *paths: Path, **settings: str) -> None:
        port = servers.free_port()
        ours = {
            "BUS_URL": f"kafka://127.0.0.1:{port}/facts",
            "PROMETHEUS_MULTIPROC_DIR": str(directory / "metrics"),  # so that web tells of all
        }
        (directory / "metrics").mkdir(exist_ok=True)
        super().__init__(directory, *paths, **{**ours, **settings})
        self.ports["kafka"] = port

    def command(self, name: str) -> tuple[list[str], dict[str, str]]:
        if name == "kafka":
            place = str(self.directory / "kafka")
            return [sys.executable, "-m", "ops.kafka.broker", place, str(self.ports["kafka"])], {}
        return super().command(name)

    def start_everything(self, without: tuple[str, ...] = ()) -> None:
        broker.jars()
        self.start("kafka")
        super().start_everything(without)

    def stop_everything(self) -> None:
        if "kafka" in self.running:
            self.resume("kafka")
        super().stop_everything()

    def read_from(self) -> dict[str, float]:
        """How many entries points has read, by where they came from."""
        found: dict[str, Any] = {"kafka": 0.0, "log": 0.0}
        for line in self.http.get(f"{self.app_url}/metrics").text.splitlines():
            for source in found:
                start = f'holdfast_bus_entries_total{{service="points",source="{source}"}} '
                if line.startswith(start):
                    found[source] = float(line.removeprefix(start))
        return found
