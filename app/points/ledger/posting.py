"""The ledger's only writer: movements on locked members, hash-chained, written with one statement a
table.

The chain, one a member: hash(n) = SHA-256(hash(n-1) + row(n)), hash(0) = 32 zero bytes. row(n) is
the UTF-8 of the JSON array [shop, member id, sequence, source, effect, from bucket, to bucket,
points, why, effective at, recorded at] without spaces, moments as whole microseconds since 1970,
`why` as the very text that is stored.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec

from app.points.ledger import totals
from app.points.ledger.totals import Move
from app.telemetry import metrics

BUCKETS = ("pending", "available", "held", "spent", "expired", "reversed", "debt", "issued")
_NEGATIVE = frozenset(
    {"debt", "issued"}
)  # their columns show the positive figure of what is owed and was issued
GENESIS = bytes(32)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MOVE = (0, 4, 5, 6, 7, 9)  # where a row has shop, effect, both buckets, points and effective at
_json = msgspec.json.Encoder(order="deterministic")

COLUMNS = f"id, shop, customer_id, sequence, last_hash, {', '.join(BUCKETS)}"
INSERT_MEMBERS = f"""
WITH changed AS (
    INSERT INTO members (shop, customer_id, pending, available, held, spent, expired, reversed,
                         debt, issued, sequence, joined_at, updated_at)
    SELECT shop, customer_id, 0, 0, 0, 0, 0, 0, 0, 0, 0, now(), now()
      FROM unnest($1::text[], $2::text[]) AS fresh (shop, customer_id)
     WHERE NOT EXISTS (SELECT FROM members WHERE members.shop = fresh.shop AND
           members.customer_id = fresh.customer_id)
     ORDER BY shop, customer_id
    ON CONFLICT (shop, customer_id) DO NOTHING
    RETURNING shop
)
{totals.COUNT_MEMBERS.format(sign="")}
"""
# who never had points leaves nothing behind; whoever has a ledger stays, as a number
DELETE_MEMBERS = f"""
WITH changed AS (
    DELETE FROM members USING unnest($1::text[], $2::text[]) AS gone (shop, customer_id)
     WHERE members.shop = gone.shop AND members.customer_id = gone.customer_id
       AND members.sequence = 0
    RETURNING members.shop
)
{totals.COUNT_MEMBERS.format(sign="-")}
"""
# Everybody locks members in the order of their ids, and inserts new ones before locking any: no
# deadlocks.
LOCK = f"""
SELECT {COLUMNS} FROM members
 WHERE id IN (SELECT unnest($1::bigint[])
              UNION
              SELECT found.id FROM unnest($2::text[], $3::text[]) AS wanted (shop, customer_id)
                JOIN members AS found ON found.shop = wanted.shop AND found.customer_id =
                wanted.customer_id)
 ORDER BY id FOR UPDATE
"""
LOCK_FREE = (
    f"SELECT {COLUMNS} FROM members WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE SKIP LOCKED"
)
INSERT_ROWS = """
INSERT INTO ledger (shop, member_id, sequence, source, effect, from_bucket, to_bucket, points,
                    why, effective_at,
                    recorded_at, hash)
SELECT shop, member_id, sequence, source, effect, from_bucket, to_bucket, points, why,
       effective_at, $12, hash
  FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[],
              $7::text[], $8::bigint[],
              $9::text[], $10::timestamptz[], $11::bytea[])
    AS fresh (shop, member_id, sequence, source, effect, from_bucket, to_bucket, points, why,
              effective_at, hash)
"""
UPDATE_MEMBERS = """
UPDATE members
   SET pending = fresh.pending, available = fresh.available, held = fresh.held, spent = fresh.spent,
       expired = fresh.expired, reversed = fresh.reversed, debt = fresh.debt, issued = fresh.issued,
       sequence = fresh.sequence, last_hash = fresh.last_hash, updated_at = $12
  FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
              $7::bigint[],
              $8::bigint[], $9::bigint[], $10::bigint[], $11::bytea[])
    AS fresh (id, pending, available, held, spent, expired, reversed, debt, issued, sequence,
              last_hash)
 WHERE members.id = fresh.id
"""


class Member:
    """A locked row of `members`; `points` holds every bucket in double entry, so that their sum
    is always 0.
    """

    __slots__ = (
        "customer_id",
        "id",
        "last_hash",
        "points",
        "sequence",
        "shop",
    )

    def __init__(self, row: Any) -> None:
        self.id: int = row["id"]
        self.shop: str = row["shop"]
        self.customer_id: str = row["customer_id"]
        self.sequence: int = row["sequence"]
        self.last_hash: bytes = row["last_hash"] or GENESIS
        self.points: dict[str, int] = {
            bucket: -row[bucket] if bucket in _NEGATIVE else row[bucket] for bucket in BUCKETS
        }

    @property
    def available(self) -> int:
        return self.points["available"]

    @property
    def pending(self) -> int:
        return self.points["pending"]

    @property
    def held(self) -> int:
        return self.points["held"]

    @property
    def debt(self) -> int:
        """What is owed, as a positive number."""
        return -self.points["debt"]


async def lock(
    conn: Any, customers: Iterable[tuple[str, str]] = (), ids: Iterable[int] = ()
) -> tuple[dict[tuple[str, str], Member], dict[int, Member]]:
    """Lock existing members by (shop, customer id) and by id, in id order; both ways to find
    them come back.
    """
    keys = list(customers)
    rows = await conn.fetch(
        LOCK, list(ids), [shop for shop, _ in keys], [customer for _, customer in keys]
    )
    members = [Member(row) for row in rows]
    return {(one.shop, one.customer_id): one for one in members}, {one.id: one for one in members}


async def lock_free(conn: Any, ids: Iterable[int]) -> dict[int, Member]:
    """Lock those of the members `ids` that nobody else holds."""
    return {row["id"]: Member(row) for row in await conn.fetch(LOCK_FREE, list(ids))}


async def insert_members(conn: Any, customers: Iterable[tuple[str, str]]) -> None:
    """Make the members who are missing, of (shop, customer id)."""
    await _with_columns(conn, INSERT_MEMBERS, customers)


async def delete_members(conn: Any, customers: Iterable[tuple[str, str]]) -> None:
    """Remove those of the members who have no row in the ledger, of (shop, customer id)."""
    await _with_columns(conn, DELETE_MEMBERS, customers)


async def _with_columns(conn: Any, statement: str, customers: Iterable[tuple[str, str]]) -> None:
    keys = list(customers)
    if keys:
        await conn.execute(statement, [shop for shop, _ in keys], [one for _, one in keys])


def canonical(
    shop: str,
    member_id: int,
    sequence: int,
    source: str,
    effect: str,
    from_bucket: str,
    to_bucket: str,
    points: int,
    why: str,
    effective_at: datetime,
    recorded_at: datetime,
) -> bytes:
    """The bytes of a row that the hash chain covers (see the top of this module)."""
    return _json.encode(
        (
            shop,
            member_id,
            sequence,
            source,
            effect,
            from_bucket,
            to_bucket,
            points,
            why,
            microseconds(effective_at),
            microseconds(recorded_at),
        )
    )


def microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


class Posting:
    """Movements of one transaction, gathered in memory and then written together."""

    def __init__(self, recorded_at: datetime) -> None:
        self.recorded_at = recorded_at
        self.members: dict[int, Member] = {}  # those that moved
        self._rows: list[tuple[Any, ...]] = []
        self._effects: dict[str, int] = {}

    def move(
        self,
        member: Member,
        source: str,
        effect: str,
        from_bucket: str,
        to_bucket: str,
        points: int,
        why: dict[str, Any],
        effective_at: datetime,
    ) -> None:
        """Move `points` (> 0) of a locked member; raises ValueError rather than let a balance
        fall below zero.
        """
        balances = member.points
        balances[from_bucket] -= points
        balances[to_bucket] += points
        if (
            points <= 0
            or (balances[from_bucket] < 0 and from_bucket not in _NEGATIVE)
            or balances["debt"] > 0
        ):
            raise ValueError(
                f"{effect} of {points} would leave {balances[from_bucket]} in {from_bucket}"
            )
        member.sequence += 1
        reason = _json.encode(why).decode()
        row = (
            member.shop,
            member.id,
            member.sequence,
            source,
            effect,
            from_bucket,
            to_bucket,
            points,
            reason,
            effective_at,
        )
        member.last_hash = sha256(member.last_hash + canonical(*row, self.recorded_at)).digest()
        self._rows.append((*row, member.last_hash))
        self.members[member.id] = member
        self._effects[effect] = self._effects.get(effect, 0) + 1

    async def write(self, conn: Any) -> None:
        """Append the rows, what they change of the totals, and bring the members' balances up to
        them: three statements.

        A natural key that is there already (shop, source, effect) raises
        asyncpg.UniqueViolationError.
        """
        if not self._rows:
            return
        await conn.execute(
            INSERT_ROWS,
            *(list(column) for column in zip(*self._rows, strict=True)),
            self.recorded_at,
        )
        moves = (Move(*(row[column] for column in _MOVE)) for row in self._rows)
        await totals.add(conn, moves)
        members = list(self.members.values())
        await conn.execute(
            UPDATE_MEMBERS,
            [one.id for one in members],
            *(
                [
                    -one.points[bucket] if bucket in _NEGATIVE else one.points[bucket]
                    for one in members
                ]
                for bucket in BUCKETS
            ),
            [one.sequence for one in members],
            [one.last_hash for one in members],
            self.recorded_at,
        )
        for effect, count in self._effects.items():
            metrics.POSTINGS.labels(effect).inc(count)
