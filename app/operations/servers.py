"""What Redis and Postgres say of themselves, as far as dashboards and alerts need it."""

import asyncio
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app import db
from app.flow.lanes import nodes
from app.telemetry.metrics import Scraped

POSTGRES = """
SELECT xact_commit, xact_rollback, deadlocks, blks_hit, blks_read, temp_bytes,
       pg_database_size(datid) AS bytes,
       current_setting('max_connections')::int AS connections_max
  FROM pg_stat_database WHERE datname = current_database()
"""
SESSIONS = """
SELECT coalesce(state, 'none') AS state, count(*)::int AS count,
       count(*) FILTER (WHERE wait_event_type = 'Lock')::int AS waits,
       coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8
       AS oldest_seconds
  FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
 GROUP BY 1
"""
STATES = ("active", "idle", "idle in transaction")
# partitions of the days to come: who keeps the log makes them a week ahead
DAYS_AHEAD = """
SELECT count(*)::int FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
 WHERE inhparent = 'facts'::regclass
   AND relname > 'facts_' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD')
   AND relname ~ '^facts_[0-9]{8}$'
"""


async def redis(client: Redis, store: str) -> list[Scraped]:
    """Of the Redis that is the `queue` or the `cache`. Raises redis errors."""
    asking: Any = client
    async with asking.pipeline(transaction=False) as pipe:
        for section in ("memory", "stats", "clients", "replication"):
            pipe.info(section)
        memory, stats, clients, replication = await pipe.execute()

    def one(name: str, meaning: str, value: float) -> Scraped:
        return Scraped(f"holdfast_redis_{name}", meaning, {store: value}, "store")

    return [
        one("memory_bytes", "Memory in use", memory["used_memory"]),
        one(
            "memory_max_bytes", "Memory it may use, 0 for all there is", memory.get("maxmemory", 0)
        ),
        one("clients", "Connections it has", clients["connected_clients"]),
        one("replicas", "Replicas it has", replication.get("connected_slaves", 0)),
        one("commands_total", "Commands it was told", stats["total_commands_processed"]),
        one("evicted_total", "Keys it dropped because it was full", stats["evicted_keys"]),
        one("hits_total", "Keys that were there when asked for", stats["keyspace_hits"]),
        one("misses_total", "Keys that were not", stats["keyspace_misses"]),
    ]


async def lane_nodes(stores: db.Stores) -> list[Scraped]:
    """Whether each of several Redis for lanes answers; nothing where there is one."""
    if not stores.besides:
        return []

    async def answers(one: db.Stores) -> float:
        try:
            async with asyncio.timeout(nodes.ANSWER_SECONDS):
                await one.lane.ping()
        except (RedisError, OSError):  # a TimeoutError is one, too
            return 0.0
        return 1.0

    found = await asyncio.gather(*map(answers, stores.nodes))
    by_node = {str(one.node): said for one, said in zip(stores.nodes, found, strict=True)}
    words = "1 when a Redis of several for lanes answers"
    return [Scraped("holdfast_lane_node_answers", words, by_node, "node")]


async def postgres() -> list[Scraped]:
    """Of the database that takes the writes."""
    async with db.connection() as connection:
        told = await connection.fetchrow(POSTGRES)
        sessions = await connection.fetch(SESSIONS)
        days_ahead = await connection.fetchval(DAYS_AHEAD)
    counts = dict.fromkeys((*STATES, "other"), 0.0)
    for row in sessions:
        counts[row["state"] if row["state"] in STATES else "other"] += row["count"]
    transactions = {"committed": told["xact_commit"], "rolled back": told["xact_rollback"]}
    blocks = {"memory": told["blks_hit"], "disk": told["blks_read"]}

    def one(name: str, meaning: str, value: float) -> Scraped:
        return Scraped(f"holdfast_postgres_{name}", meaning, {"": value})

    return [
        Scraped("holdfast_postgres_sessions", "Sessions by what they do", counts, "state"),
        one("sessions_max", "Sessions there may be", told["connections_max"]),
        one(
            "oldest_transaction_seconds",
            "Since the oldest transaction of a session is open",
            max((row["oldest_seconds"] for row in sessions), default=0.0),
        ),
        one("lock_waits", "Sessions that wait for a lock", sum(row["waits"] for row in sessions)),
        one("bytes", "Size of the database", told["bytes"]),
        one(
            "deadlocks_total", "Transactions ended because they waited in a ring", told["deadlocks"]
        ),
        one("temp_bytes_total", "What sorts and joins wrote to disk", told["temp_bytes"]),
        Scraped(
            "holdfast_postgres_transactions_total",
            "Transactions by how they ended",
            transactions,
            "outcome",
        ),
        Scraped(
            "holdfast_postgres_blocks_total", "Blocks asked for by where they were", blocks, "found"
        ),
        Scraped(
            "holdfast_log_days_ahead",
            "Days to come whose part of the log is made",
            {"": days_ahead},
        ),
    ]
