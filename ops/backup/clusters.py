"""A restored copy of the database, run for a while where nobody else reaches it."""

import asyncio
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import quote, urlsplit

from asyncpg.exceptions import InternalClientError, PostgresError

from app import postgres
from app.addresses import parse
from local import servers
from ops.backup import tools

PORT = 5432  # of a socket in the copy's own folder
LOOK_SECONDS = 0.1
STOP_SECONDS = 60.0
WORDS_BYTES = 4_000
# What the copy must not do, whatever the original is told: write into the archive, wait for a
# standby, follow a primary, load what is installed elsewhere, or be reached over the network.
SETTINGS = {
    "archive_mode": "off",
    "synchronous_standby_names": "",
    "primary_conninfo": "",
    "primary_slot_name": "",
    "shared_preload_libraries": "",
    "listen_addresses": "",
    "ssl": "off",
    "hot_standby": "off",  # the original may allow more connections than the copy
    "fsync": "off",  # it is thrown away
    "autovacuum": "off",
    "log_min_messages": "warning",
    "logging_collector": "off",
}


@contextmanager
def running(
    folder: Path, original: str, environment: Mapping[str, str], seconds: float
) -> Iterator[str]:
    """The address of the copy in `folder`, once it has taken the whole log it is to take.

    User and database are those of `original`. Raises SystemExit with Postgres' own words when it
    is not there after `seconds`.
    """
    owner = servers.postgres_user()
    hba = folder / "drill_hba.conf"
    hba.write_text("local all all trust\n")
    (folder / "drill.conf").touch()
    told = {
        **SETTINGS,
        "config_file": str(folder / "drill.conf"),
        "hba_file": str(hba),
        "unix_socket_directories": str(folder),
        "port": str(PORT),
    }
    command = [tools.find("postgres"), "-D", str(folder)]
    for name, value in told.items():
        command += ["-c", f"{name}={value}"]
    if owner is not None:
        for name in ("drill_hba.conf", "drill.conf"):
            os.chown(folder / name, owner, owner)
    parts = urlsplit(original)
    user, database = parts.username or "postgres", parts.path.lstrip("/") or "postgres"
    url = f"postgres://{user}@/{database}?host={quote(str(folder))}&port={PORT}"
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command,
            stdout=said,
            stderr=said,
            cwd="/",
            env=dict(environment),
            user=owner,
            group=owner,
            extra_groups=[] if owner is not None else None,
        )
        try:
            _wait(process, url, seconds, said)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(process: "subprocess.Popen[bytes]", url: str, seconds: float, said: IO[bytes]) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        if asyncio.run(_answers(url)):
            return
        time.sleep(LOOK_SECONDS)
    said.seek(0)
    words = said.read()[-WORDS_BYTES:].decode(errors="replace").strip()
    raise SystemExit(f"The restored copy does not start:\n{words}")


async def _answers(url: str) -> bool:
    try:
        connection = await postgres.connect(parse(url))
    except (OSError, TimeoutError, PostgresError, InternalClientError):
        return False
    await connection.close()
    return True
