"""How old what was proven is: backups, restore drills, the archive, the replica."""

from app import db
from app import replica as replicas
from app.telemetry.metrics import Scraped

MARKS = """
SELECT name, extract(epoch FROM now() - at)::float8 FROM backup_marks
 UNION ALL
SELECT 'wal', extract(epoch FROM now() - last_archived_time)::float8 FROM pg_stat_archiver
 WHERE last_archived_time IS NOT NULL
"""
GAUGES = {
    "backup": ("holdfast_backup_age_seconds", "Since a backup was taken and found whole"),
    "drill": (
        "holdfast_restore_drill_age_seconds",
        "Since a backup was restored, verified and compared",
    ),
    "wal": ("holdfast_wal_archived_age_seconds", "Since a segment went to the archive"),
}


async def backups() -> list[Scraped]:
    """Their ages in seconds; absent where it never was."""
    async with db.connection() as connection:
        ages = dict(await connection.fetch(MARKS))
    return [Scraped(*gauge, {"": ages[name]}) for name, gauge in GAUGES.items() if name in ages]


async def replica() -> list[Scraped]:
    """How far it is behind; absent without one, and before it has replayed anything."""
    behind = await replicas.known.behind_seconds() if replicas.known else None
    if behind is None:
        return []
    words = "How far the replica is behind, by what it replayed last"
    return [Scraped("holdfast_replica_behind_seconds", words, {"": behind})]
