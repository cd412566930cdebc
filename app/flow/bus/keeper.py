"""Keeps the log: makes the partitions of the days to come, ends those of the past."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from app import db
from app.db import Connection
from app.resilience import deadline, failures
from app.telemetry import logs

EVERY_SECONDS = 60.0
DAYS_AHEAD = 7  # a keeper that is away for a week costs nothing; then the rest partition takes over
FACTS_KEPT_DAYS = 14
FACTS_KEPT_DAYS_UNREAD = 60  # while a service has not read them
RECEIPTS_KEPT_DAYS = 30  # Shopify repeats a delivery for four hours; people ask for weeks
BODIES_KEPT_DAYS = 7  # webhooks as they came, to be translated again
REST_STEP = 10_000
TABLES = {
    "facts": FACTS_KEPT_DAYS,
    "receipts": RECEIPTS_KEPT_DAYS,
    "webhook_bodies": BODIES_KEPT_DAYS,
}
PARTITIONS = """
SELECT child.relname AS name FROM pg_inherits
  JOIN pg_class AS child ON child.oid = inhrelid
 WHERE inhparent = $1::regclass ORDER BY child.relname
"""
# A cluster made from a dump counts its transactions from the start again: whatever it writes now
# would be sorted before everything the services have read. So its numbers get a higher base.
NEWEST = """
SELECT greatest((SELECT max(tx) FROM places), (SELECT max(newest.tx) FROM
       generate_series(0, 15) AS part CROSS JOIN LATERAL (
       SELECT tx FROM facts WHERE facts.part = part.part
        ORDER BY facts.tx DESC, facts.id DESC LIMIT 1) AS newest)) AS newest,
       log_base() + (log_timeline() << 42) + pg_snapshot_xmax(pg_current_snapshot())::text::bigint
       AS next
"""
BASE_STEP = 2**56  # more than timelines and transactions of a cluster can ever come to

log = logs.logger()


async def run(stop: asyncio.Event, bodies_kept_days: int = BODIES_KEPT_DAYS) -> None:
    """Keep the log until `stop` is set; any number of processes may, one does."""
    tables = {**TABLES, "webhook_bodies": bodies_kept_days}
    backoff = failures.Backoff("keeping the log")
    while not stop.is_set():
        try:
            await keep(datetime.now(UTC).date(), tables)
        except Exception as error:  # noqa: BLE001 - the days ahead are there: it has a week
            await backoff.wait(error, stop)
            continue
        backoff.over()
        await deadline.pause(EVERY_SECONDS, stop)


async def keep(today: date, tables: Mapping[str, int] = TABLES) -> None:
    """Make partitions of `tables` up to a week ahead and drop what is older than it is kept, in
    days.

    Each is a statement of its own: whoever makes a partition keeps everybody from the whole table,
    and a keeper that stood still in an open transaction would do so until Postgres ended it. Two
    keepers at once do no harm: one of them fails, and looks again.
    """
    async with db.connection() as connection:
        await keep_on(connection, today, tables)


async def keep_on(connection: Connection, today: date, tables: Mapping[str, int] = TABLES) -> None:
    """As `keep`, on a connection of one's own."""
    await raise_base(connection)
    for table, kept_days in tables.items():
        found = {row["name"] for row in await connection.fetch(PARTITIONS, table)}
        for ahead in range(DAYS_AHEAD + 1):
            await _make(connection, table, today + timedelta(days=ahead), found)
        oldest = today - timedelta(days=kept_days)
        for name in sorted(found):
            day = _day_of(table, name)
            if day is not None and day < oldest:
                await _drop(connection, table, day, today)
        await connection.execute(
            f"DELETE FROM {table}_rest WHERE ctid IN "
            f"(SELECT ctid FROM {table}_rest WHERE day < $1 LIMIT {REST_STEP})",
            oldest,
        )


async def raise_base(connection: Connection, *, is_asked: bool = False) -> bool:
    """Let what is written from now on come after everything that is there, or `is_asked` for, after
    everything that ever was; whether it had to.
    """
    row = await connection.fetchrow(NEWEST)
    assert row is not None
    if not is_asked and (row["newest"] is None or row["newest"] < row["next"]):
        return False
    base = (max(row["newest"] or 0, row["next"]) // BASE_STEP + 1) * BASE_STEP
    await connection.execute("SELECT set_log_base($1)", base)
    log.warning("the log was moved to another cluster; its numbers go on above", base=base)
    return True


async def _make(connection: Connection, table: str, day: date, found: set[str]) -> None:
    name = f"{table}_{day:%Y%m%d}"
    if name in found:
        return
    in_rest = f"SELECT true FROM {table}_rest WHERE day = $1 LIMIT 1"
    if await connection.fetchval(in_rest, day):
        return  # its rows went to the rest already, and are as good there
    await connection.execute("SELECT make_day($1, $2)", table, day)


async def _drop(connection: Connection, table: str, day: date, today: date) -> None:
    if table == "facts":
        behind = await connection.fetchval(
            "SELECT string_agg(DISTINCT service, ', ') FROM places WHERE day <= $1 "
            "AND EXISTS (SELECT FROM facts WHERE facts.part = places.part "
            "AND facts.day = $1 AND (facts.tx, facts.id) > (places.tx, places.id))",
            day,
        )
        if behind:
            log.error("a service has not read facts that are about to end", service=behind, day=day)
            if day >= today - timedelta(days=FACTS_KEPT_DAYS_UNREAD):
                return
    await connection.execute("SELECT end_day($1, $2)", table, day)


def _day_of(table: str, name: str) -> date | None:
    text = name.removeprefix(f"{table}_")
    return datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).date() if text.isdigit() else None
