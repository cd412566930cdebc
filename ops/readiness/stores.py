"""Whether Redis and Postgres keep what they are given, and have room for what comes."""

from datetime import timedelta
from typing import Any

from app import db, rooms
from app.config import ROOT
from app.flow.bus import log as fact_log
from app.flow.lanes import durability
from app.resilience import proven
from app.services import PROCESSES
from ops.readiness.look import Look

WANTED = {"fsync": "on", "full_page_writes": "on", "data_checksums": "on"}
SYNCHRONOUS = {"on", "local", "remote_write", "remote_apply"}
ARCHIVED_WITHIN = timedelta(minutes=15)
BACKUP_HOURS_MAX, DRILL_HOURS_MAX = 26, 8 * 24
PARTITION_DAYS_AHEAD = 2
SETTINGS = "SELECT name, setting FROM pg_settings WHERE name = ANY($1::text[])"
ARCHIVER = """
SELECT last_failed_time IS NOT NULL AND last_failed_time > coalesce(last_archived_time,
       '-infinity') AS is_failing, last_archived_time,
       coalesce(now() - last_archived_time > $1, TRUE) AS is_old
  FROM pg_stat_archiver
"""
REPLICAS = "SELECT count(*)::int FROM pg_stat_replication WHERE state = 'streaming'"
PARTITION = "SELECT to_regclass('facts_' || to_char(now() AT TIME ZONE 'UTC' + $1, 'YYYYMMDD'))"
MIGRATED = "SELECT name FROM tortoise_migrations WHERE app = 'app'"


async def redis(look: Look) -> list[str]:
    """Its own settings, as the processes themselves see them; room, and a second copy."""
    found = await durability.look(look.stores.queue, look.config)
    if found is None:
        return ["Redis does not answer."]
    missing = list(found.problems)
    if not found.replicas:
        missing.append("Redis has no replica: webhooks that wait are lost with its machine.")
    client: Any = look.stores.queue
    memory = await client.info("memory")
    if not memory.get("maxmemory"):
        missing.append("Redis has no maxmemory: when it is full the machine ends it, not itself.")
    if look.config.cache_redis_url == look.config.redis_url:
        missing.append("Caches share the Redis of the lanes: give them CACHE_REDIS_URL.")
    return missing


async def postgres(_look: Look) -> list[str]:
    """What makes a commit last, and as many connections as the processes may ask for."""
    names = [*WANTED, "synchronous_commit", "max_connections"]
    async with db.connection() as connection:
        rows = await connection.fetch(SETTINGS, names)
    found = {row["name"]: row["setting"] for row in rows}
    missing = [
        f"Postgres has {name} {found.get(name)}: set it to {wanted}."
        for name, wanted in WANTED.items()
        if found.get(name) != wanted
    ]
    if found["synchronous_commit"] not in SYNCHRONOUS:
        missing.append("Postgres answers before a commit is on disk: set synchronous_commit to on.")
    needed = rooms.connections_max(webs=1, workers=len(PROCESSES) - 1)
    if int(found["max_connections"]) < needed:
        missing.append(
            f"Postgres takes {found['max_connections']} connections and one process of each kind "
            f"may ask for {needed}: raise max_connections."
        )
    return missing


async def archive(_look: Look) -> list[str]:
    """Whether the write-ahead log leaves the machine, so that any moment can be restored."""
    async with db.connection() as connection:
        mode = await connection.fetchval("SHOW archive_mode")
        row = await connection.fetchrow(ARCHIVER, ARCHIVED_WITHIN)
    assert row is not None
    if mode == "off":
        return ["Postgres archives no write-ahead log (archive_mode is off): see ops.backup."]
    if row["is_failing"]:
        return ["Archiving of the write-ahead log fails: Postgres' log says why."]
    if row["is_old"]:
        return [
            f"No write-ahead log was archived for {ARCHIVED_WITHIN}: set archive_timeout to 60."
        ]
    return []


async def backups(_look: Look) -> list[str]:
    """Whether a backup is there, and one was restored not long ago."""
    ages = {one.name: next(iter(one.values.values())) / 3600 for one in await proven.backups()}
    missing = []
    for gauge, what, hours_max, cure in (
        ("holdfast_backup_age_seconds", "backup", BACKUP_HOURS_MAX, "python -m ops.backup full"),
        ("holdfast_restore_drill_age_seconds", "restore", DRILL_HOURS_MAX, "make restore-drill"),
    ):
        hours = ages.get(gauge)
        if hours is None:
            missing.append(f"There was never a {what} that is known to be good: {cure}.")
        elif hours > hours_max:
            missing.append(f"The last good {what} is {hours:.0f} hours old: {cure}.")
    return missing


async def replica(_look: Look) -> list[str]:
    """Whether a second Postgres follows."""
    async with db.connection() as connection:
        count = await connection.fetchval(REPLICAS)
    return [] if count else ["No Postgres follows this one: with its machine the service is gone."]


async def tables(_look: Look) -> list[str]:
    """Whether the tables are those of this release, and the log has days to come."""
    names = {path.stem for path in (ROOT / "migrations").glob("[0-9]*.py")}
    async with db.connection() as connection:
        done = {row["name"] for row in await connection.fetch(MIGRATED)}
        ahead = await connection.fetchval(PARTITION, timedelta(days=PARTITION_DAYS_AHEAD))
        held_up = await fact_log.holder()
    missing = []
    if names - done:
        missing.append(
            f"The tables are of an older release ({min(names - done)} is missing): "
            "run python -m workers.release."
        )
    if ahead is None:
        missing.append("The log has no partition for the day after tomorrow: is a relay running?")
    if held_up is not None:
        missing.append(f"A transaction has held up the log for {held_up.seconds:.0f} s.")
    return missing
