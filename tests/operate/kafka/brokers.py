"""A cluster of real Kafka brokers for tests: started, killed, frozen and gone back to by number."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from app.flow.bus.kafka import address
from local import servers
from ops.kafka import broker
from tests.waiting import wait_for

STARTED_SECONDS = 90


class Brokers:
    """Each is a process of its own; `url` is what BUS_URL names them by."""

    def __init__(self, directory: Path, count: int = 1) -> None:
        self.directories = [directory / f"kafka-{number}" for number in range(count)]
        self.ports = [servers.free_port() for _ in range(count)]
        self.running: dict[int, subprocess.Popen[bytes]] = {}
        broker.prepare(self.directories, self.ports)

    @property
    def servers(self) -> str:
        return ",".join(f"127.0.0.1:{port}" for port in self.ports)

    def url(self, topic: str = "facts") -> str:
        return f"kafka://{self.servers}/{topic}"

    def start(self, *numbers: int) -> None:
        for number in numbers or range(len(self.ports)):
            with (self.directories[number] / "kafka.log").open("ab") as log:
                self.running[number] = subprocess.Popen(
                    broker.command(self.directories[number]), stdout=log, stderr=log
                )
        wait_for("Kafka answers", self.answer, STARTED_SECONDS)

    def answer(self) -> bool:
        """Whether it has as many brokers as run."""
        try:
            return address.answer(address.parse(self.url())) >= len(self.running)
        except KafkaException:
            return False

    def kill(self, number: int = 0) -> None:
        running = self.running.pop(number)
        running.kill()
        running.wait()

    def freeze(self, number: int = 0) -> None:
        self.running[number].send_signal(signal.SIGSTOP)

    def thaw(self, number: int = 0) -> None:
        self.running[number].send_signal(signal.SIGCONT)

    @cached_property
    def admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.servers})


@contextmanager
def brokers(directory: Path, count: int = 1) -> Iterator[Brokers]:
    """A cluster, for as long as somebody needs it."""
    made = Brokers(directory, count)
    try:
        made.start()
        yield made
    finally:
        for running in made.running.values():
            running.kill()
            running.wait()
