"""A real replica of a test's own, made from a running primary: paused, killed, promoted."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from app.config import ROOT
from local import servers
from ops.backup import tools
from tests.template import wait_for_port

STOP_SECONDS = 60


class OwnReplica:
    """Follows the primary at `url`, with its data in `directory`."""

    def __init__(self, directory: Path, url: str, port: int = 0) -> None:
        self.directory, self.port = directory, port or servers.free_port()
        subprocess.run(
            [
                tools.find("pg_basebackup"),
                f"--dbname={tools.address(url)}",
                f"--pgdata={directory}",
                "--wal-method=stream",
                "--checkpoint=fast",
                "--write-recovery-conf",
            ],
            check=True,
            capture_output=True,
        )
        owner = servers.postgres_user()
        if owner is not None:
            for path, _, names in os.walk(directory):
                os.chown(path, owner, owner)
                for name in names:
                    os.chown(Path(path) / name, owner, owner)
        self.start()

    @property
    def url(self) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        command = [sys.executable, "-m", "local.servers", "postgres"]
        self.process = subprocess.Popen(
            [*command, str(self.directory), str(self.port)],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for_port(self.port)

    def promote(self) -> None:
        """What an operator, or Patroni, does when the primary is gone."""
        subprocess.run(
            [tools.find("pg_ctl"), "promote", "-D", str(self.directory), "-w", "-t", "60"],
            check=True,
            capture_output=True,
            user=servers.postgres_user(),
            cwd="/",
        )

    def pause(self) -> None:
        for one in self._tree():
            one.suspend()

    def resume(self) -> None:
        for one in self._tree():
            one.resume()

    def stop(self, *, kill: bool = False) -> None:
        if self.process.poll() is None:
            self.resume()
            self.process.send_signal(signal.SIGKILL if kill else signal.SIGINT)
            self.process.wait(STOP_SECONDS)

    def _tree(self) -> list[psutil.Process]:
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]
