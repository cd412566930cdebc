"""Where people come from and where orders go to, as digests that are forgotten after 90 days."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from app import db
from app.db import Connection
from app.referrals.keys import Secret

KEPT = timedelta(days=90)
FORGET_BATCH = 2_000
SEEN_MAX = 200  # others with one mark: beyond that it is more than any rule asks
LENGTH_MAX = 200  # of what a browser says of itself
AGAIN_AFTER = timedelta(hours=12)  # seen again within it, nothing is written
PUT = """
INSERT INTO referral_marks AS known (shop, kind, digest, subject, seen_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
ON CONFLICT (shop, kind, digest, subject) DO UPDATE SET seen_at = excluded.seen_at
      WHERE known.seen_at < excluded.seen_at - $6::interval
"""
SAME = """
SELECT mark.kind, mark.subject, mark.seen_at
  FROM unnest($2::text[], $3::text[]) AS wanted (kind, digest)
 CROSS JOIN LATERAL (
       SELECT kind, subject, seen_at FROM referral_marks
        WHERE shop = $1 AND kind = wanted.kind AND digest = wanted.digest AND seen_at > $4
        ORDER BY seen_at DESC LIMIT $5) AS mark
"""
FORGET = """
DELETE FROM referral_marks WHERE id IN (
    SELECT id FROM referral_marks WHERE seen_at < $1 ORDER BY seen_at LIMIT $2)
"""


class Mark(NamedTuple):
    """A digest, of a kind."""

    kind: str
    digest: str


class Same(NamedTuple):
    """Somebody who left the same mark."""

    kind: str
    subject: str
    seen_at: datetime


class Where(NamedTuple):
    """Where a request came from; empty for what is not told."""

    ip: str = ""
    agent: str = ""
    device: str = ""


def of_request(secret: Secret, where: Where) -> list[Mark]:
    """The marks of a request."""
    ip, agent, device = (one[:LENGTH_MAX] for one in where)
    found = [Mark("ip", secret.digest("ip", ip))] if ip else []
    if ip and agent:
        found.append(Mark("agent", secret.digest("agent", f"{ip} {agent}")))
    if device:
        found.append(Mark("device", secret.digest("device", device)))
    return found


async def put(conn: Connection, left: Iterable[tuple[str, Mark, str, datetime]]) -> None:
    """Keep marks (shop, mark, whose, when); one that is there already is only kept longer."""
    rows = {(shop, *mark, subject): at for shop, mark, subject, at in left if mark.digest}
    if rows:
        columns = [list(column) for column in zip(*sorted(rows), strict=True)]
        await conn.execute(PUT, *columns, [rows[key] for key in sorted(rows)], AGAIN_AFTER)


async def same(conn: Connection, shop: str, marks: Sequence[Mark], at: datetime) -> list[Same]:
    """Who left one of these marks in the last ninety days."""
    kinds, digests = [one.kind for one in marks], [one.digest for one in marks]
    rows = await conn.fetch(SAME, shop, kinds, digests, at - KEPT, SEEN_MAX)
    return [Same(row["kind"], row["subject"], row["seen_at"]) for row in rows]


async def forget_old(at: datetime) -> int:
    """Delete a batch of what is older than ninety days; how many."""
    async with db.connection() as conn:
        done: str = await conn.execute(FORGET, at - KEPT, FORGET_BATCH)
    return int(done.rpartition(" ")[2])
