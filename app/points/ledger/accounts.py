"""Accounts: the rows of members while they are locked, found or made in one order by everybody."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from app.db import Connection, Row
from app.errors import HoldfastError, RefusedError
from app.writes import Writes

Key = tuple[str, str]  # shop and the id of a customer or an order in it
BUCKETS = ("pending", "available", "held", "spent", "expired", "reversed", "debt", "issued")
NEGATIVE = frozenset({"debt", "issued"})  # their columns show what is owed and was issued, above 0
GENESIS = bytes(32)
_POSITIVE = tuple(bucket for bucket in BUCKETS if bucket not in NEGATIVE)
_COLUMNS = (
    f"id, shop, customer_id, merged_into, frozen_at, sequence, last_hash, {', '.join(BUCKETS)}"
)
# Everybody locks members in the order of their ids, and makes those who are missing afterwards, in
# the order of their names: two who meet wait for each other. The one way to a deadlock, somebody
# new made by three transactions at once, is a conflict like others: it passes when tried again.
LOCK = f"""
SELECT {_COLUMNS} FROM members
 WHERE id IN (SELECT unnest($1::bigint[])
              UNION
              SELECT found.id FROM unnest($2::text[], $3::text[]) AS wanted (shop, customer_id)
                JOIN members AS found
                  ON found.shop = wanted.shop AND found.customer_id = wanted.customer_id)
 ORDER BY id FOR UPDATE
"""
# for what time does: somebody busy is taken by the next run, somebody frozen not at all
LOCK_FREE = f"""
SELECT {_COLUMNS} FROM members
 WHERE id = ANY($1::bigint[]) AND frozen_at IS NULL ORDER BY id FOR UPDATE SKIP LOCKED
"""
INSERT = f"""
INSERT INTO members (shop, customer_id, pending, available, held, spent, expired, reversed,
                     debt, issued, sequence, joined_at, updated_at, frozen_reason)
SELECT shop, customer_id, 0, 0, 0, 0, 0, 0, 0, 0, 0, now(), now(), ''
  FROM unnest($1::text[], $2::text[]) AS fresh (shop, customer_id)
 ORDER BY shop, customer_id
ON CONFLICT (shop, customer_id) DO NOTHING
RETURNING {_COLUMNS}
"""
NUMBER = "SELECT nextval('members_id_seq') AS id, now() AS joined_at FROM generate_series(1, $1)"
TABLE = "members"
WRITTEN = {
    "id": "bigint",
    "shop": "text",
    "customer_id": "text",
    **dict.fromkeys(BUCKETS, "bigint"),
    "sequence": "bigint",
    "last_hash": "bytea",
    "joined_at": "timestamptz",
    "updated_at": "timestamptz",
    "frozen_reason": "text",
}
# who never had points leaves nothing behind; whoever has a ledger, a reward that was given for
# nothing, or somebody who was merged into them, stays, as a number
DELETE = """
DELETE FROM members USING unnest($1::text[], $2::text[]) AS gone (shop, customer_id)
 WHERE members.shop = gone.shop AND members.customer_id = gone.customer_id AND members.sequence = 0
   AND members.merged_into IS NULL
   AND NOT EXISTS (SELECT FROM members AS other WHERE other.merged_into = members.id)
   AND NOT EXISTS (SELECT FROM redemptions WHERE redemptions.member_id = members.id)
RETURNING members.shop
"""


_NOBODY = dict.fromkeys(BUCKETS, 0) | {
    "merged_into": None,
    "frozen_at": None,
    "sequence": 0,
    "last_hash": None,
}


class FrozenError(RefusedError):
    """The member's points do not add up: nothing moves until they are repaired (422).

    Permanent, so that an event about them is a dead letter at once, to be replayed after the
    repair.
    """

    code = "points_on_hold"

    def __init__(self) -> None:
        super().__init__(
            "These points are being checked and cannot be used at this moment. They are safe."
        )


class BrokenAccountError(HoldfastError):
    """A member's lots and balance contradict each other: whoever finds out freezes the member."""

    permanent = True
    code = "broken_account"

    def __init__(self, member_id: int, message: str) -> None:
        super().__init__(f"The points of member {member_id} do not add up: {message}.")
        self.member_id = member_id


class Account:
    """A locked row of `members`; `points` holds every bucket in double entry, so that their sum
    is always 0.
    """

    __slots__ = (
        "customer_id",
        "id",
        "is_frozen",
        "joined_at",
        "last_hash",
        "merged_into",
        "points",
        "sequence",
        "shop",
    )

    def __init__(self, row: Row) -> None:
        self.joined_at: datetime | None = None  # of one who is still to be written
        self.id: int = row["id"]
        self.shop: str = row["shop"]
        self.customer_id: str = row["customer_id"]
        self.merged_into: int | None = row["merged_into"]  # the member who has the points since
        self.is_frozen: bool = row["frozen_at"] is not None
        self.sequence: int = row["sequence"]
        self.last_hash: bytes = row["last_hash"] or GENESIS
        self.points: dict[str, int] = {bucket: row[bucket] for bucket in _POSITIVE}
        self.points["debt"] = -row["debt"]
        self.points["issued"] = -row["issued"]

    @classmethod
    def numbered(cls, row: Row, key: Key) -> "Account":
        """One without points, who is still to be written."""
        shop, customer_id = key
        account = cls({**_NOBODY, "id": row["id"], "shop": shop, "customer_id": customer_id})
        account.joined_at = row["joined_at"]
        return account

    @property
    def key(self) -> Key:
        return self.shop, self.customer_id

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

    def shown(self, bucket: str) -> int:
        """A bucket as its column has it."""
        points = self.points[bucket]
        return -points if bucket in NEGATIVE else points

    def check_not_frozen(self) -> None:
        """Raises FrozenError."""
        if self.is_frozen:
            raise FrozenError


async def lock(
    conn: Connection, customers: Iterable[Key] = (), ids: Iterable[int] = ()
) -> list[Account]:
    """Lock existing members by (shop, customer id) and by id, in id order."""
    keys = list(customers)
    rows = await conn.fetch(
        LOCK, list(ids), [shop for shop, _ in keys], [customer for _, customer in keys]
    )
    return [Account(row) for row in rows]


async def lock_free(conn: Connection, ids: Iterable[int]) -> list[Account]:
    """Lock those of the members `ids` that nobody else holds and that are not frozen."""
    return [Account(row) for row in await conn.fetch(LOCK_FREE, list(ids))]


async def insert(conn: Connection, customers: Sequence[Key]) -> list[Account]:
    """Make members of (shop, customer id); those whom somebody else makes at the same moment do
    not come back.
    """
    columns = [shop for shop, _ in customers], [customer for _, customer in customers]
    return [Account(row) for row in await conn.fetch(INSERT, *columns)]


async def number(conn: Connection, customers: Sequence[Key]) -> list[Account]:
    """Members of (shop, customer id) with their ids, to be written before the transaction ends."""
    rows = await conn.fetch(NUMBER, len(customers))
    return [Account.numbered(row, key) for row, key in zip(rows, customers, strict=True)]


def write(writes: Writes, numbered: Sequence[Account], now: datetime) -> None:
    """Write those who were numbered, in one order for everybody."""
    rows = [
        (
            one.id,
            one.shop,
            one.customer_id,
            *map(one.shown, BUCKETS),
            one.sequence,
            one.last_hash if one.sequence else None,
            one.joined_at,
            now,
            "",
        )
        for one in sorted(numbered, key=lambda one: one.key)
    ]
    writes.insert(TABLE, WRITTEN, rows)


async def delete(conn: Connection, customers: Sequence[Key]) -> Counter[str]:
    """Remove those of the members of whom nothing is left; how many of each shop."""
    columns = [shop for shop, _ in customers], [customer for _, customer in customers]
    return Counter(row["shop"] for row in await conn.fetch(DELETE, *columns))
