"""Whether Redis and Postgres keep what they are given, and have room for what comes."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from redis.exceptions import RedisError

from app import db, redises, rooms
from app import replica as replicas
from app.config import ROOT
from app.flow.bus import log as fact_log
from app.flow.lanes import durability
from app.flow.lanes import losses as noted_losses
from app.resilience import failures, proven
from app.services import PROCESSES
from ops.readiness.look import Look

WANTED = {"fsync": "on", "full_page_writes": "on", "data_checksums": "on"}
SYNCHRONOUS = {"on", "local", "remote_write", "remote_apply"}
ARCHIVED_WITHIN = timedelta(minutes=15)
BACKUP_HOURS_MAX, DRILL_HOURS_MAX = 26, 8 * 24
PARTITION_DAYS_AHEAD = 2
SENTINELS_MIN = 3
BEHIND_SECONDS_MAX = 60.0
RESERVED = ("superuser_reserved_connections", "reserved_connections")
LOST = {
    "lost": "Redis lost its memory",
    "went_back": "Redis went back in time",
    "database": "the database was put back, or a standby took over",
}
SETTINGS = "SELECT name, setting FROM pg_settings WHERE name = ANY($1::text[])"
ARCHIVER = """
SELECT last_failed_time IS NOT NULL AND last_failed_time > coalesce(last_archived_time,
       '-infinity') AS is_failing, last_archived_time,
       coalesce(now() - last_archived_time > $1, TRUE) AS is_old
  FROM pg_stat_archiver
"""
# whoever may not read it gets a row without a state
REPLICAS = """
SELECT count(*) FILTER (WHERE state = 'streaming' AND application_name <> 'pg_receivewal')::int
       AS following, count(*) FILTER (WHERE state IS NULL)::int AS hidden
  FROM pg_stat_replication
"""
PARTITION = "SELECT to_regclass('facts_' || to_char(now() AT TIME ZONE 'UTC' + $1, 'YYYYMMDD'))"
MIGRATED = "SELECT name FROM tortoise_migrations WHERE app = 'app'"


async def redis(look: Look) -> list[str]:
    """Its own settings, as the processes themselves see them; room, and a second copy."""
    missing = []
    for one in look.stores.nodes:
        said = await _redis(one)
        missing += [f"Node {one.node}: {text}" for text in said] if look.stores.besides else said
        hosts = urlsplit(one.config.redis_url).netloc.rpartition("@")[2].split(",")
        if redises.is_sentinels(one.config.redis_url) and len(hosts) < SENTINELS_MIN:
            missing.append(
                f"REDIS_URL names {len(hosts)} sentinels: with fewer than three nobody can agree "
                "on a new primary."
            )
    if look.config.cache_redis_url == look.config.redis_url:
        missing.append("Caches share the Redis of the lanes: give them CACHE_REDIS_URL.")
    return missing


async def _redis(stores: db.Stores) -> list[str]:
    found = await durability.look(stores.lane, stores.config)
    if found is None:
        return ["Redis does not answer."]
    missing = list(found.problems)
    if not found.replicas:
        missing.append("Redis has no replica: webhooks that wait are lost with its machine.")
    client: Any = stores.lane
    if not (await client.info("memory")).get("maxmemory"):
        missing.append("Redis has no maxmemory: when it is full the machine ends it, not itself.")
    return missing


async def cache(look: Look) -> list[str]:
    """Whether the caches have their Redis, and an end."""
    client: Any = look.stores.cache
    try:
        memory = await client.info("memory")
    except (RedisError, OSError):
        return ["The Redis of the caches does not answer (CACHE_REDIS_URL)."]
    if look.config.cache_redis_url == look.config.redis_url:
        return []  # said of the lanes
    each = memory.values() if all(isinstance(one, dict) for one in memory.values()) else [memory]
    if not all(one.get("maxmemory") for one in each):
        return ["The Redis of the caches has no maxmemory: set it, and maxmemory-policy to an lru."]
    return []


async def postgres(_look: Look) -> list[str]:
    """What makes a commit last, and as many connections as the processes may ask for."""
    names = [*WANTED, "synchronous_commit", "max_connections", *RESERVED]
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
    one_web = rooms.connections_max(2, 0) - rooms.connections_max(1, 0)
    free = int(found["max_connections"]) - sum(int(found.get(name) or 0) for name in RESERVED)
    if free < needed:
        missing.append(
            f"Postgres takes {free} connections of ours and one process of each kind may ask for "
            f"{needed} (each further web for {one_web}): raise max_connections."
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
        row = await connection.fetchrow(REPLICAS)
    assert row is not None
    missing = []
    if row["hidden"] and not row["following"]:
        missing.append("This role may not see whether a replica follows: GRANT pg_monitor to it.")
    elif not row["following"]:
        missing.append("No Postgres follows this one: with its machine the service is gone.")
    if replicas.known is None:
        return missing
    try:
        behind = await replicas.known.behind_seconds()
    except Exception as error:  # noqa: BLE001 - whatever keeps it from answering
        return [*missing, f"The replica does not answer: {failures.reason(error)}."]
    if behind is None or behind > BEHIND_SECONDS_MAX:
        missing.append(f"The replica is {behind or 0:.0f} s behind: see replica-behind.")
    return missing


async def losses(_look: Look) -> list[str]:
    """Whether there are times of which webhooks may be missing."""
    return [
        f"What came from {loss.lost_from:%Y-%m-%d %H:%M:%S} to {loss.noticed_at:%H:%M:%S} UTC "
        f"may be missing ({LOST[loss.kind]}), and is not compared yet: see redis-forgot."
        for _, loss, _ in await noted_losses.still_open()
    ]


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
