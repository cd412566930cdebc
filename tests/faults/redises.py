"""Redis servers of a test's own, to be filled, cut, killed and paused without hurting others."""

import dataclasses
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import redis

from app import db
from local import servers
from tests.template import wait_for_port
from tests.waiting import wait_for


class OwnRedis:
    """One redis-server with its data in `directory`; what it is told goes before our settings'
    last word.
    """

    def __init__(
        self, directory: Path, *options: str, appendfsync: str = "always", port: int | None = None
    ) -> None:
        self.directory, self.appendfsync = directory, appendfsync
        self.port = port or servers.free_port()
        self.options = options
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for_port(self.port)
        wait_for("it has loaded its files", self._has_loaded, 60)

    def command(self) -> list[str]:
        made = servers.redis_command(self.directory, self.port, appendfsync=self.appendfsync)
        return [*made, *self.options]

    def client(self, **options: Any) -> redis.Redis:
        """One that a test asks it with."""
        return redis.Redis(port=self.port, **options)

    def _has_loaded(self) -> bool:
        try:
            with self.client(socket_timeout=5) as client:
                return bool(client.ping())
        except redis.BusyLoadingError:
            return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(5)

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def append_only_file(self) -> Path:
        return append_only(self.directory)


def append_only(directory: Path) -> Path:
    """The file that is being appended to: since Redis 7 one of several in a folder."""
    parts = sorted((directory / "appendonlydir").glob("*.incr.aof"))
    return parts[-1] if parts else directory / "appendonly.aof"


@asynccontextmanager
async def stores_on(stores: db.Stores, url: str) -> AsyncIterator[db.Stores]:
    """The same database with the lanes in another Redis."""
    config = dataclasses.replace(stores.config, redis_url=url)
    found = dataclasses.replace(stores, config=config, queue=db.redis_client(url))
    try:
        yield found
    finally:
        await found.queue.aclose()
