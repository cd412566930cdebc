"""`python -m ops.backup.rehearsal`: the whole drill on a small store of its own, and what a copy of
an hour ago becomes with the log; ends with 1 when a single member differs.
"""

import asyncio
import logging
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from app import config as settings
from app import db, postgres
from app.addresses import parse
from app.flow import event
from app.flow.bus import consumer
from app.flow.bus import log as fact_log
from app.flow.kept import packing
from app.points import handlers
from local import servers
from ops.backup import clusters, drill, restoring, sealing, store, taking
from ops.backup.store import Store

SHOP = "rehearsal.myshopify.com"
MEMBERS, START_SECONDS, RECOVERY_SECONDS = 150, 60.0, 120.0
WRITES_LOG_FOR_BACKUPS = """
wal_level = replica
archive_mode = on
archive_timeout = 60
summarize_wal = on
archive_command = '{command}'
"""
BALANCES = """
SELECT customer_id, available, pending, held, spent, reversed, sequence FROM members
 WHERE shop = $1
"""
HARM = "DELETE FROM ledger WHERE member_id % 2 = 0"
COLUMNS = ["part", "day", "tx", "id", "entry", "topics", "facts", "size"]
COLUMNS += ["signed_at", "signature", "body"]
AFTER = f"""
SELECT {", ".join(COLUMNS)} FROM facts WHERE (tx, id) > ($1, $2) ORDER BY tx, id
"""
NEWEST = "SELECT tx, id FROM facts ORDER BY tx DESC, id DESC LIMIT 1"

Balances = dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class World:
    """A database with an archive, and the program's settings for it."""

    kept: Store
    url: str
    environment: dict[str, str]
    postgres: "subprocess.Popen[bytes]"

    def config(self, url: str) -> settings.Config:
        return replace(settings.load(self.environment), database_url=url)


def rehearse(members: int = MEMBERS) -> list[str]:
    """What went wrong, one line each; figures are printed. Takes some 15 s."""
    with tempfile.TemporaryDirectory(
        prefix="holdfast-rehearsal-", ignore_cleanup_errors=True
    ) as at:
        Path(at).chmod(0o711)
        with world(Path(at)) as living:
            return list(_rehearse(living, members))


def _rehearse(living: World, members: int) -> Iterator[str]:
    asyncio.run(_write(living, _installed(), _orders(members, 0)))
    began = time.monotonic()
    hour_ago = taking.take(living.kept, living.url, store.FULL)
    full_seconds = time.monotonic() - began
    asyncio.run(_write(living, _orders(members, 1)))
    began = time.monotonic()
    taking.take(living.kept, living.url, store.INCREMENTAL)
    print(f"full backup {full_seconds:.1f} s, incremental {time.monotonic() - began:.1f} s")
    asyncio.run(_write(living, _orders(members, 2)))
    wanted = asyncio.run(balances(living.url))
    moment = datetime.now(UTC)
    time.sleep(0.05)  # the harm is done after the moment, by any clock
    harmed = asyncio.run(_harm(living.url))
    found = drill.drill(
        living.kept, living.url, moment, living.environment, compares=False, look=balances
    )
    print(f"{harmed} ledger rows were deleted; as of the moment before:\n{found}")
    if not found.is_verified:
        yield "the restored copy does not add up"
    began = time.monotonic()
    copied, read_again, restored = _with_the_log(living, hour_ago.ended, wanted)
    print(
        f"a copy of before, with {copied} entries of the log that {read_again} facts were read "
        f"from: {time.monotonic() - began:.1f} s"
    )
    for name, has in (("as of the moment", found.balances), ("with the log", restored)):
        different = {one for one in wanted | has if wanted.get(one) != has.get(one)}
        print(f"{name}: {len(wanted)} members, {len(different)} differ from the original")
        if different or len(wanted) != members:
            yield f"{name}: {len(different)} of {len(wanted)} members differ"


@contextmanager
def world(directory: Path) -> Iterator[World]:
    """PostgreSQL with its archive and backups in `directory`, and Redis, for a while."""
    kept = Store(directory / "backups", (os.urandom(sealing.KEY_BYTES),))
    port, redis_port = servers.free_port(), servers.free_port()
    url = servers.postgres_url(directory / "postgres", port)
    environment = {
        **os.environ,
        "HOLDFAST_ENV": "development",
        "PROGRAM_STARTS_AS": "live",
        "HOLDFAST_DATA": str(directory / "holdfast"),
        "DATABASE_URL": url,
        "REDIS_URL": servers.redis_url(directory / "redis", redis_port),
        "LOG_LEVEL": "WARNING",
        "BACKUP_FOLDER": str(kept.folder),
        "BACKUP_KEYS": sealing.written(kept.keys[0]),
    }
    prepare(kept, directory / "postgres")
    with ExitStack() as running:
        postgres_process, _ = (
            running.enter_context(_server(kind, directory / kind, at, environment))
            for kind, at in (("postgres", port), ("redis", redis_port))
        )
        released = [sys.executable, "-m", "workers.release"]
        subprocess.run(
            released, cwd=restoring.ROOT, env=environment, check=True, stdout=subprocess.DEVNULL
        )
        yield World(kept, url, environment, postgres_process)


def prepare(kept: Store, directory: Path) -> None:
    """A cluster in `directory` whose log goes to the archive of `kept`."""
    servers.prepare_postgres(directory)
    kept.folder.mkdir(mode=0o700, exist_ok=True)
    store.prepare(kept)
    owner = servers.postgres_user()
    if owner is not None:  # who runs the archive command, too
        servers.open_path(Path(sys.executable).resolve())
        servers.open_path(kept.wal)
        for folder in (kept.folder, *kept.folder.iterdir()):
            os.chown(folder, owner, owner)
    command = (
        f"PYTHONPATH={shlex.quote(str(restoring.ROOT))} exec {shlex.quote(sys.executable)} "
        "-m ops.backup archive %p %f"
    )
    with (directory / "postgresql.conf").open("a", encoding="utf-8") as conf:
        conf.write(WRITES_LOG_FOR_BACKUPS.format(command=command.replace("'", "''")))


@contextmanager
def _server(
    kind: str, directory: Path, port: int, environment: Mapping[str, str]
) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", "local.servers", kind, str(directory), str(port)]
    running = subprocess.Popen(
        command,
        cwd=restoring.ROOT,
        env=dict(environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + START_SECONDS
        while not servers.is_listening(port):
            if time.monotonic() > until or running.poll() is not None:
                raise SystemExit(f"The {kind} of the rehearsal does not start.")
            time.sleep(0.05)
        yield running
    finally:
        running.send_signal(signal.SIGINT)
        running.wait(START_SECONDS)


def _installed() -> list[event.Event]:
    told = {"currency": "USD", "timezone": "UTC"}
    return [event.new("shop.installed", SHOP, SHOP, told, trace="rehearsal")]


def _orders(members: int, round_of: int) -> list[event.Event]:
    """One paid order of each member, of a different amount each."""
    now = datetime.now(UTC).isoformat()
    return [
        event.new(
            "order.paid",
            SHOP,
            SHOP,
            {
                "order_id": f"{round_of}{number:06}",
                "currency": "USD",
                "customer_id": str(7_000_000 + number),
                "processed_at": now,
                "lines": [
                    {"line_id": "1", "quantity": 1, "amount": f"{10 + (number + round_of) % 90}.00"}
                ],
            },
            trace="rehearsal",
        )
        for number in range(members)
    ]


async def _write(living: World, *groups: list[event.Event]) -> None:
    async with _opened(living, living.url) as stores:
        for group in groups:
            async with db.transaction() as connection:
                await fact_log.append(connection, group)
        await _read(stores)


def _opened(living: World, url: str) -> Any:
    config = living.config(url)
    event.use_secrets(config.event_secrets)
    packing.use_keys(config.token_keys)
    return db.open_stores(config)


async def _read(stores: db.Stores) -> int:
    """What points makes of all it has not read; how many entries that were."""
    handle = handlers.handler(stores)
    return await consumer.run_once(handlers.SERVICE, handlers.TOPICS, handle, fact_log, stores)


async def balances(url: str) -> Balances:
    """The figures of every member."""
    connection = await postgres.connect(parse(url))
    try:
        rows = await connection.fetch(BALANCES, SHOP)
    finally:
        await connection.close()
    return {row["customer_id"]: tuple(row.values())[1:] for row in rows}


async def _harm(url: str) -> int:
    connection = await postgres.connect(parse(url))
    try:
        done: str = await connection.execute(HARM)
        await connection.execute("SELECT pg_switch_wal()")
    finally:
        await connection.close()
    return int(done.removeprefix("DELETE "))


def _with_the_log(living: World, at: datetime, wanted: Balances) -> tuple[int, int, Balances]:
    """A copy as of `at`, the log of the original from there on, and services that read on from
    their own places: how many entries were copied and read, and what the members have then.
    """
    with tempfile.TemporaryDirectory(prefix="holdfast-drill-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        folder = Path(name) / "restored"
        restoring.restore(living.kept, folder, at, owner=servers.postgres_user())
        with clusters.running(folder, living.url, living.environment, RECOVERY_SECONDS) as copy:
            before = asyncio.run(balances(copy))
            assert before != wanted, "the copy must be behind for this to show anything"
            copied = asyncio.run(_copy_log(living.url, copy))
            read_again = asyncio.run(_read_copy(living, copy))
            return copied, read_again, asyncio.run(balances(copy))


async def _copy_log(original: str, copy: str) -> int:
    living, restored = await postgres.connect(parse(original)), await postgres.connect(parse(copy))
    try:
        newest = await restored.fetchrow(NEWEST)
        rows = await living.fetch(AFTER, newest["tx"], newest["id"])
        await restored.copy_records_to_table("facts", records=map(tuple, rows), columns=COLUMNS)
    finally:
        await living.close()
        await restored.close()
    return len(rows)


async def _read_copy(living: World, copy: str) -> int:
    async with _opened(living, copy) as stores:
        return await _read(stores)


def main() -> None:
    quiet = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(wrapper_class=quiet)
    began = time.monotonic()
    problems = rehearse()
    print(*problems, f"{time.monotonic() - began:.1f} s", sep="\n")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
