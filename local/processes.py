"""What runs on one machine, by its command: the Procfile, embedded servers, stand-in store."""

import json
import os
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


def known_ports(data: Path) -> dict[str, int]:
    """The ports of the embedded servers last time; none when never written, or in part."""
    try:
        found: dict[str, int] = json.loads((data / "ports.json").read_text())
    except (OSError, ValueError):
        return {}
    return found


def embedded_ports(data: Path) -> dict[str, int]:
    """Ports for the embedded servers, by kind: none for what you name yourself."""
    path = data / "ports.json"
    known = known_ports(data)
    ports = {
        name: choose_port(known.get(name))
        for name, variable in (("postgres", "DATABASE_URL"), ("redis", "REDIS_URL"))
        if not os.environ.get(variable)
    }
    path.write_text(json.dumps({**known, **ports}))
    return ports


def embedded_environment(data: Path, ports: dict[str, int]) -> dict[str, str]:
    """DATABASE_URL and REDIS_URL of the embedded servers."""
    found = {}
    if "postgres" in ports:
        found["DATABASE_URL"] = servers.postgres_url(data / "postgres", ports["postgres"])
    if "redis" in ports:
        found["REDIS_URL"] = servers.redis_url(data / "redis", ports["redis"])
    return found
