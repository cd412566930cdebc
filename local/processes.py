"""What runs on one machine, by its command: the Procfile, embedded servers, stand-in store."""

import shlex
import sys
from pathlib import Path

from local import servers

ROOT = Path(__file__).resolve().parent.parent
SERVERS = ("postgres", "redis")


def app_commands(root: Path = ROOT) -> dict[str, list[str]]:
    """The Procfile at `root` (name → argv), with `python` being the one that runs now."""
    found: dict[str, list[str]] = {}
    for line in (root / "Procfile").read_text().splitlines():
        name, _, command = line.partition(":")
        if command.strip():
            found[name.strip()] = [
                sys.executable if part == "python" else part
                for part in shlex.split(command.strip())
            ]
    return found


def server_command(kind: str, directory: Path, port: int) -> list[str]:
    """The command that becomes the embedded `postgres` or `redis` with its data in `directory`."""
    return [sys.executable, "-m", "local.servers", kind, str(directory), str(port)]


def devstore_command() -> list[str]:
    return [sys.executable, "-m", "devstore"]


def choose_port(preferred: int | None) -> int:
    """The port used last time when it is still free, else another one."""
    if preferred and not servers.is_listening(preferred):
        return preferred
    return servers.free_port()
