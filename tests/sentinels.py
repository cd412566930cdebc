"""A primary, a replica and three sentinels, to be killed, paused and failed over; and the whole
product on them.
"""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis

from local import servers
from tests.faults.redises import OwnRedis, append_only
from tests.silence import Silence
from tests.stack import Stack
from tests.template import wait_for_port
from tests.waiting import wait_for

NAME = "main"
COUNT, QUORUM = 3, 2
DOWN_AFTER_MILLISECONDS = 1_000
FAILOVER_MILLISECONDS = 6_000
FAIL_OVER_TRIES = 4
IN_STEP_SECONDS = 60.0  # a primary that was killed is made a replica eight seconds after its return
MONITOR = """
port {port}
bind 127.0.0.1
dir {directory}
logfile {directory}/log
sentinel monitor {name} {host} {primary} {quorum}
sentinel down-after-milliseconds {name} {down_after}
sentinel failover-timeout {name} {failover}
"""


class Sentinels:
    """Started with the object, ended by `stop`; `options` go to all Redis servers."""

    host = "127.0.0.1"  # where the first primary is found

    def __init__(
        self,
        directory: Path,
        *options: str,
        appendfsync: str = "everysec",
        replicas: int = 1,
        make: Callable[..., OwnRedis] = OwnRedis,
    ) -> None:
        self.directory, self.replicas = directory, replicas
        self.redises: list[OwnRedis] = []
        follows: tuple[str, ...] = ()
        for number in range(1, 2 + replicas):
            told = (*options, *self.redis_options(number))
            folder = directory / f"redis-{number}"
            one = make(folder, *told, *follows, appendfsync=appendfsync)
            # once: who was killed must not come back as the replica of one that is none the wiser
            one.options = told
            self.redises.append(one)
            follows = ("--replicaof", self.host, str(self.redises[0].port))
        primary = self.redises[0].port
        self.ports = [servers.free_port() for _ in range(COUNT)]
        self.processes: list[subprocess.Popen[bytes]] = []
        try:
            for port in self.ports:
                self._start_sentinel(port, primary)
            wait_for("the sentinels know all", self._is_whole, IN_STEP_SECONDS)
        except BaseException:
            self.stop()
            raise

    def _start_sentinel(self, port: int, primary: int) -> None:
        directory = self.directory / f"sentinel-{port}"
        directory.mkdir()
        file = directory / "sentinel.conf"
        file.write_text(
            MONITOR.format(
                port=port,
                directory=directory,
                name=NAME,
                primary=primary,
                quorum=QUORUM,
                down_after=DOWN_AFTER_MILLISECONDS,
                failover=FAILOVER_MILLISECONDS,
                host=self.host,
            )
            + self.sentinel_lines(port)
        )
        binary = self.redises[0].command()[0]
        self.processes.append(
            subprocess.Popen(
                [binary, str(file), "--sentinel"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        wait_for_port(port)

    def redis_options(self, _number: int) -> tuple[str, ...]:
        """What one of the servers is told besides, counted from 1."""
        return ()

    def sentinel_lines(self, _port: int) -> str:
        """What else the file of a sentinel says."""
        return ""

    def ask(self, port: int, **options: Any) -> redis.Redis:
        """A client of one of the sentinels."""
        return redis.Redis(port=port, **options)

    @property
    def url(self) -> str:
        return f"redis+sentinel://{','.join(f'127.0.0.1:{one}' for one in self.ports)}/{NAME}/0"

    @property
    def primary(self) -> OwnRedis:
        """Which of them the first sentinel says is the primary."""
        with self.ask(self.ports[0]) as client:
            _, port = client.sentinel_get_master_addr_by_name(NAME)
        return next(one for one in self.redises if one.port == int(port))

    @property
    def replica(self) -> OwnRedis:
        primary = self.primary
        return next(one for one in self.redises if one is not primary)

    def fail_over(self) -> None:
        """The planned one; it is under way when this returns."""
        with self.ask(self.ports[0]) as client:
            try:
                client.sentinel_failover(NAME)
            except redis.ResponseError as error:
                if "INPROG" not in str(error):
                    raise

    def wait_for_another(self, before: OwnRedis, seconds: float = 30.0) -> None:
        """Until the sentinels have agreed on another primary, and it says so itself."""

        def is_there() -> bool:
            primary = self.primary
            return primary is not before and self._role(primary) == "master"

        wait_for("another primary", is_there, seconds)

    def is_in_step(self) -> bool:
        """Whether the primary has a replica that follows it."""
        try:
            with self.primary.client(socket_timeout=1) as client:
                found = client.info("replication")
        except redis.RedisError:
            return False
        return found["role"] == "master" and any(
            isinstance(one, dict) and one.get("state") == "online" for one in found.values()
        )

    def _role(self, one: OwnRedis) -> str:
        try:
            with one.client(socket_timeout=1) as client:
                return str(client.role()[0].decode())
        except redis.RedisError:
            return ""

    def _is_whole(self) -> bool:
        for port in self.ports:
            with self.ask(port, decode_responses=True) as client:
                known = client.sentinel_master(NAME)
            if known["num-other-sentinels"] != COUNT - 1 or known["num-slaves"] != self.replicas:
                return False
        return self.is_in_step()

    def stop(self) -> None:
        for one in self.redises:
            one.resume()
            one.kill()
        for process in self.processes:
            process.kill()
            process.wait(5)


class SentinelStack(Stack):
    """A stack whose `redis` is the primary that the sentinels name at that moment."""

    def __init__(self, directory: Path, **settings: str) -> None:
        super().__init__(directory, **settings)
        (directory / "sentinels").mkdir()
        appendfsync = self.environment.get("EMBEDDED_APPENDFSYNC", "always")
        self.sentinels = Sentinels(directory / "sentinels", appendfsync=appendfsync)
        self.environment["REDIS_URL"] = self.sentinels.url
        self._harmed: OwnRedis | None = None  # whoever was killed or paused last

    def start(self, *names: str) -> None:
        super().start(*[name for name in names if name != "redis"])
        if "redis" in names:
            for one in self.sentinels.redises:
                if one.process.poll() is not None:
                    one.start()

    def stop(self, *names: str, kill: bool = False) -> None:
        super().stop(*[name for name in names if name != "redis"], kill=kill)
        if "redis" in names:
            self.sentinels.primary.kill()

    def pause(self, name: str) -> None:
        if name != "redis":
            super().pause(name)
            return
        self._harmed = self.sentinels.primary
        self._harmed.pause()

    def resume(self, name: str) -> None:
        if name != "redis":
            super().resume(name)
        elif self._harmed is not None:
            self._harmed.resume()

    def between(self, name: str, store: str) -> Silence:
        """Only between a process and `postgres`: whoever asks sentinels is told where Redis is."""
        return super().between(name, "postgres" if store == "redis" else store)

    def fail_over(self) -> None:
        """The planned one, where there is a replica to take over; until it is over."""
        before = self.sentinels.primary
        for _ in range(FAIL_OVER_TRIES - 1):  # one that is slow sentinels give up
            wait_for("the primary has a replica", self.sentinels.is_in_step, IN_STEP_SECONDS)
            self.sentinels.fail_over()
            try:
                self.sentinels.wait_for_another(before, 2 * FAILOVER_MILLISECONDS / 1000)
            except AssertionError:
                continue
            return
        self.sentinels.fail_over()
        self.sentinels.wait_for_another(before)

    def stop_everything(self) -> None:
        super().stop_everything()
        self.sentinels.stop()


def redis_port(stack: Stack) -> int:
    """Where the Redis is that takes writes now."""
    return (
        stack.sentinels.primary.port if isinstance(stack, SentinelStack) else stack.ports["redis"]
    )


def append_only_file(stack: Stack) -> Path:
    """That of the Redis that takes writes now."""
    if isinstance(stack, SentinelStack):
        return stack.sentinels.primary.append_only_file
    return append_only(stack.directory / "redis")
