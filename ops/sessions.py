"""`python -m ops.sessions [--end WHO]`: who has how many sessions at Postgres, and who keeps others
waiting; WHO is the number of a process, or a name as it is shown.
"""

import argparse
from typing import Any

from asyncpg.exceptions import InsufficientPrivilegeError

from app import addresses, config, postgres
from ops import here

MOST = "SELECT current_setting('max_connections')::int"
# what somebody else's session is may be hidden from a role that has no pg_monitor
SESSIONS = """
SELECT coalesce(nullif(application_name, ''), 'nameless') AS name, usename AS role,
       coalesce(state, 'unknown') AS state, count(*)::int AS count,
       coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8 AS seconds
  FROM pg_stat_activity
 WHERE coalesce(backend_type, 'client backend') = 'client backend' AND pid <> pg_backend_pid()
 GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 3
"""
# the head of each queue: who keeps others waiting, and waits for nobody
HOLDERS = """
SELECT holder.pid, coalesce(nullif(holder.application_name, ''), 'nameless') AS name,
       holder.usename AS role, coalesce(holder.state, 'unknown') AS state,
       left(holder.query, 120) AS query, count(DISTINCT waiting.pid)::int AS count,
       string_agg(DISTINCT waiting.application_name, ', ') AS names,
       coalesce(extract(epoch FROM clock_timestamp() - holder.xact_start), 0)::float8 AS seconds
  FROM (SELECT pid, application_name, unnest(pg_blocking_pids(pid)) AS holder
          FROM pg_stat_activity WHERE wait_event_type = 'Lock') AS waiting
  JOIN pg_stat_activity AS holder ON holder.pid = waiting.holder
 WHERE cardinality(pg_blocking_pids(holder.pid)) = 0
 GROUP BY 1, 2, 3, 4, 5, 8 ORDER BY 6 DESC
"""
END = """
SELECT count(*) FILTER (WHERE pg_terminate_backend(pid))::int FROM pg_stat_activity
 WHERE coalesce(backend_type, 'client backend') = 'client backend' AND pid <> pg_backend_pid()
   AND (pid::text = $1 OR coalesce(nullif(application_name, ''), 'nameless') = $1)
"""


async def look(connection: Any) -> list[str]:
    """Lines for a person."""
    most = await connection.fetchval(MOST)
    rows = await connection.fetch(SESSIONS)
    lines = [f"{sum(row['count'] for row in rows)} of {most} sessions"]
    for row in rows:
        open_for = f", the oldest transaction for {row['seconds']:.0f} s" if row["seconds"] else ""
        lines.append(
            f"  {row['count']:>4} {row['name']} as {row['role']}: {row['state']}{open_for}"
        )
    holders = await connection.fetch(HOLDERS)
    lines.extend(
        f"Process {row['pid']} ({row['name']} as {row['role']}, {row['state']} for "
        f"{row['seconds']:.0f} s) keeps {row['count']} waiting: {row['names']}. "
        f"Its last words: {row['query']}"
        for row in holders
    )
    return lines if holders else [*lines, "Nobody waits for a lock."]


async def end(connection: Any, who: str) -> str:
    """End their sessions; what they had not committed is undone."""
    try:
        count = await connection.fetchval(END, who)
    except InsufficientPrivilegeError:
        return "This role may not: use the owner's DATABASE_URL, or one with pg_signal_backend."
    return f"{count} sessions of {who} were ended." if count else f"There is no session of {who}."


async def _main(who: str) -> int:
    connection = await postgres.connect(addresses.parse(config.load().database_url))
    try:
        print(await end(connection, who) if who else "\n".join(await look(connection)))
    finally:
        await connection.close()
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="ops.sessions", description=__doc__)
    parser.add_argument("--end", metavar="WHO", default="", help="a process, or all of a name")
    asked = parser.parse_args()
    raise SystemExit(here.run(_main(asked.end)))
