"""Recomputes every balance from the ledger and follows every hash chain: whatever does not add
up is named.

It walks in steps, each a snapshot of its own that is over in about a second: it takes no lock, and
nobody waits for it (readers of the log wait for open transactions that write; this one never does).
"""

from collections.abc import AsyncIterator, Sequence
from functools import partial
from hashlib import sha256
from typing import Any, NamedTuple

from app import db
from app.db import Connection
from app.points.ledger import beside, heads
from app.points.ledger import posting as ledger
from app.points.ledger.accounts import BUCKETS, GENESIS
from app.points.ledger.pace import Pace
from app.points.ledger.report import Report
from app.points.tiers import audit as tiers

ROWS_AT_ONCE = 2_000

_FOLD = ", ".join(
    f"COALESCE(sum(CASE '{bucket}' WHEN {to} THEN points WHEN {start} THEN -points END), 0) AS "
    f"{bucket}"
    for bucket, to, start in (
        (
            bucket,
            *(
                ("from_bucket", "to_bucket")
                if bucket in {"debt", "issued"}
                else ("to_bucket", "from_bucket")
            ),
        )
        for bucket in BUCKETS
    )
)
_DRIFT = " OR ".join(f"member.{bucket} <> COALESCE(fold.{bucket}, 0)" for bucket in BUCKETS)


def _microseconds(column: str) -> str:
    return f"CASE WHEN isfinite({column}) THEN (extract(epoch FROM {column}) * 1000000)::bigint END"


# The bytes of `posting.canonical` as Postgres makes them, where they are cheapest to hash. What
# differs is computed again by posting.canonical itself before anything is said about it.
CANONICAL = f"""
convert_to('[' || concat_ws(',', to_json(shop), member_id, sequence, to_json(source),
    to_json(effect), to_json(from_bucket), to_json(to_bucket), points, to_json(why),
    {_microseconds("effective_at")}, {_microseconds("recorded_at")}) || ']', 'UTF8')
"""
MEMBERS = f"""
WITH chain AS (
     SELECT member_id, sequence, from_bucket, to_bucket, points, hash,
            row_number() OVER one AS number, lag(hash, 1, $2::bytea) OVER one AS previous,
            lead(sequence) OVER one IS NULL AS is_newest, {CANONICAL} AS canonical
       FROM ledger WHERE member_id = ANY($1::bigint[])
     WINDOW one AS (PARTITION BY member_id ORDER BY sequence)),
fold AS (
     SELECT member_id, count(*) AS rows, {_FOLD},
            bool_and(sequence = number AND hash = sha256(previous || canonical)) AS is_whole,
            string_agg(hash, '') FILTER (WHERE is_newest) AS newest
       FROM chain GROUP BY member_id),
lot AS (
     SELECT member_id, sum(remaining) FILTER (WHERE is_pending) AS pending,
            sum(remaining) FILTER (WHERE NOT is_pending) AS available
       FROM lots WHERE member_id = ANY($1::bigint[]) AND remaining > 0 GROUP BY member_id),
holding AS (
     SELECT member_id, sum(points) FILTER (WHERE state = 'held') AS held,
            sum(points - returned_points) FILTER (WHERE state <> 'held') AS spent
       FROM redemptions WHERE member_id = ANY($1::bigint[])
        AND state IN ('held', 'captured', 'used') GROUP BY member_id)
SELECT count(member.id) AS members, COALESCE(sum(fold.rows), 0)::bigint AS rows,
       array_agg(wanted.id) FILTER (WHERE member.id IS NULL) AS gone,
       array_agg(wanted.id) FILTER (WHERE {_DRIFT}
           OR member.sequence <> COALESCE(fold.rows, 0)) AS drift,
       array_agg(wanted.id) FILTER (WHERE NOT fold.is_whole
           OR member.sequence <> COALESCE(fold.rows, 0)
           OR member.last_hash IS DISTINCT FROM fold.newest) AS broken,
       array_agg(wanted.id) FILTER (WHERE member.pending <> COALESCE(lot.pending, 0)
           OR member.available <> COALESCE(lot.available, 0)) AS lots,
       array_agg(wanted.id) FILTER (WHERE member.held <> COALESCE(holding.held, 0)
           OR member.spent <> COALESCE(holding.spent, 0)) AS held
  FROM unnest($1::bigint[]) AS wanted (id)
  LEFT JOIN (SELECT id, sequence, last_hash, {", ".join(BUCKETS)} FROM members
              WHERE id = ANY($1::bigint[])) AS member ON member.id = wanted.id
  LEFT JOIN fold ON fold.member_id = wanted.id
  LEFT JOIN lot ON lot.member_id = wanted.id
  LEFT JOIN holding ON holding.member_id = wanted.id
"""
CHAIN = """
SELECT row.shop, row.member_id, row.sequence, row.source, row.effect, row.from_bucket,
       row.to_bucket, row.points, row.why, row.effective_at, row.recorded_at, row.hash
  FROM ledger AS row WHERE row.member_id = $1 ORDER BY row.sequence
"""
NAMES = (
    "SELECT id, shop, customer_id, sequence, last_hash FROM members WHERE id = ANY($1::bigint[])"
)
# whoever has ledger rows belongs to it, so that rows without their member are found, too
IDS = """
SELECT id FROM members WHERE id > $1 AND id <= $2
UNION SELECT member_id FROM ledger WHERE member_id > $1 AND member_id <= $2
ORDER BY 1
"""
IDS_OF_SHOP = """
SELECT id FROM members WHERE shop = $1
UNION SELECT member_id FROM ledger WHERE shop = $1
ORDER BY 1
"""
SLOTS_OF_SHOP = "SELECT slot * $2 + 1 AS first FROM audit_heads WHERE shop = $1"
NEXT_ID = """
SELECT least((SELECT min(id) FROM members WHERE id > $1),
             (SELECT min(member_id) FROM ledger WHERE member_id > $1),
             (SELECT min(slot) * $2 + 1 FROM audit_heads WHERE slot * $2 >= $1))
"""
ABOUT = "SELECT greatest(0, reltuples)::bigint FROM pg_class WHERE oid = 'members'::regclass"

MEMBERS_STAGE = "members"
STAGES = (MEMBERS_STAGE, *beside.TABLES, *tiers.KEYS)


class Place(NamedTuple):
    """How far a walk has come: everything of `stage` up to `at` (a member's id; "" for nothing).

    Without `is_whole` something after it was checked as well, and will be again.
    """

    stage: str
    at: str = ""
    is_whole: bool = True


BEGINNING = Place(MEMBERS_STAGE)


async def verify(
    shop: str | None = None, secrets: Sequence[str] = (), pace: Pace | None = None
) -> Report:
    """Check all members, or those of one shop, while everybody goes on working."""
    report = Report()
    async for _ in walk(report, shop, secrets, pace=pace):
        pass
    return report


async def walk(
    report: Report,
    shop: str | None = None,
    secrets: Sequence[str] = (),
    since: Place = BEGINNING,
    pace: Pace | None = None,
) -> AsyncIterator[Place]:
    """Check step by step into `report`; yields the place to go on from after each step, or after
    each few that `pace` makes at once.

    With `secrets`, heads of chains are compared with those published at the last walk, and
    published anew where all is well.
    """
    pace = pace or Pace()
    if since.stage == MEMBERS_STAGE:
        async for place in _walk_members(report, shop, secrets, int(since.at or 0), pace):
            yield place
    for stage in STAGES[max(1, STAGES.index(since.stage)) :]:
        at = since.at if stage == since.stage else ""
        of: Any = tiers if stage in tiers.KEYS else beside
        while pages := await pace.step(partial(of.pages, stage, shop, at, pace.size, pace.at_once)):
            checks = [partial(of.check, stage, shop, page) for page in pages]
            for problems in await pace.together(checks):
                for problem in problems:
                    report.add(problem)
            at = pages[-1].place
            yield Place(stage, at)


async def _walk_members(
    report: Report, shop: str | None, secrets: Sequence[str], after: int, pace: Pace
) -> AsyncIterator[Place]:
    """Slot by slot, in the order of ids; a walk goes on from the beginning of a slot."""
    of_shop: list[int] = []
    firsts: list[int] = []  # an id in each slot that the shop has members in, or had
    if shop is None:
        report.about = await pace.step(lambda connection: connection.fetchval(ABOUT))
    else:
        of_shop = await pace.step(partial(_ids, IDS_OF_SHOP, [shop]))
        async with db.connection() as connection:
            had = await connection.fetch(SLOTS_OF_SHOP, shop, heads.SLOT)
        firsts = sorted({*of_shop, *(row["first"] for row in had)})
        report.about = len(of_shop)
    while True:
        if shop is None:
            async with db.connection() as connection:
                first = await connection.fetchval(NEXT_ID, after, heads.SLOT)
        else:
            first = next((one for one in firsts if one > after), None)
        if first is None:
            break
        slot = (first - 1) // heads.SLOT
        after, end = slot * heads.SLOT, (slot + 1) * heads.SLOT
        # before the members themselves: whatever was published by then must still be there
        published = await heads.of_slot(slot, shop) if secrets else []
        found: dict[str, list[bytes]] = {}
        if shop is None:
            ids = await pace.step(partial(_ids, IDS, [after, end]))
        else:
            ids = [one for one in of_shop if after < one <= end]
        while ids:
            shares = pace.shares(ids)
            ids = ids[sum(map(len, shares)) :]
            steps = [partial(_step, share, report, is_signing=bool(secrets)) for share in shares]
            for of_step in await pace.together(steps):
                for name, packed in of_step:
                    found.setdefault(name, []).append(packed)
            yield Place(MEMBERS_STAGE, str(after), is_whole=False)
        if secrets:
            report.compared += await heads.settle(slot, published, found, secrets, report.add)
        after = end
        yield Place(MEMBERS_STAGE, str(after))


async def _ids(query: str, given: Sequence[object], connection: Connection) -> list[int]:
    return [row["id"] for row in await connection.fetch(query, *given)]


async def _step(
    ids: Sequence[int], report: Report, connection: Connection, *, is_signing: bool
) -> list[tuple[str, bytes]]:
    """Check these members into `report`; the heads of their chains, by shop, where they count."""
    await _check_members(connection, ids, report)
    return await heads.of_members(connection, ids) if is_signing else []


async def _check_members(connection: Any, ids: Sequence[int], report: Report) -> None:
    found = await connection.fetchrow(MEMBERS, ids, GENESIS)
    report.members += found["members"]
    report.rows += found["rows"]
    wrong = {name: found[name] or [] for name in ("gone", "drift", "broken", "lots", "held")}
    if not any(wrong.values()):
        return
    rows = await connection.fetch(NAMES, list({one for ids in wrong.values() for one in ids}))
    names = {row["id"]: row for row in rows}

    def name(member_id: int) -> str:
        row = names[member_id]
        return f"{row['shop']} customer {row['customer_id']}"

    for one in wrong["gone"]:
        report.broken_chains += 1
        report.add(f"member {one}: there are ledger rows, but the member is missing")
    for one in wrong["drift"]:
        report.drift += 1
        report.add(f"{name(one)}: the balance is not the sum of the ledger")
    for one in wrong["broken"]:
        if one in names and (what := await _follow_chain(connection, names[one])):
            report.broken_chains += 1
            report.add(f"{name(one)}: {what}")
    for one in wrong["lots"]:
        report.add(f"{name(one)}: lots differ from the balance")
    for one in wrong["held"]:
        report.add(f"{name(one)}: held or spent points without a redemption, or the reverse")


async def _follow_chain(connection: Any, member: Any) -> str:
    """What is wrong with the chain of one member, row by row as it was written; "" for nothing."""
    sequence, previous = 0, GENESIS
    async for row in connection.cursor(CHAIN, member["id"], prefetch=ROWS_AT_ONCE):
        sequence += 1
        fields = tuple(row)[:-1]
        if (
            row["sequence"] != sequence
            or row["hash"] != sha256(previous + ledger.canonical(*fields)).digest()
        ):
            return f"ledger row {row['sequence']} is not what was written"
        previous = row["hash"]
    is_newest = (sequence, previous) == (member["sequence"], member["last_hash"] or GENESIS)
    return "" if is_newest else "the newest ledger rows are missing"
