"""Lots: earned points with their expiry, only ever changed under the row lock of their member."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from app.db import Connection, Row
from app.points.ledger.accounts import BrokenAccountError
from app.writes import Writes

COLUMNS = (
    "id, shop, member_id, source, granted, remaining, available_at, is_pending, expires_at, lapses"
)
SELECT = f"SELECT {COLUMNS} FROM lots WHERE member_id = ANY($1::bigint[]) AND remaining > 0"
SELECT_BY_ID = f"SELECT {COLUMNS} FROM lots WHERE id = ANY($1::bigint[])"
INSERTED = {
    "shop": "text",
    "member_id": "bigint",
    "source": "text",
    "granted": "bigint",
    "remaining": "bigint",
    "available_at": "timestamptz",
    "is_pending": "bool",
    "expires_at": "timestamptz",
    "due_at": "timestamptz",
    "lapses": "int",
    "created_at": "timestamptz",
}
CHANGED = {
    "id": "bigint",
    "remaining": "bigint",
    "is_pending": "bool",
    "due_at": "timestamptz",
    "lapses": "int",
}
UPDATE = """
UPDATE lots
   SET remaining = changed.remaining, is_pending = changed.is_pending, due_at = changed.due_at,
       lapses = changed.lapses
  FROM {changed} WHERE lots.id = changed.id
"""


class Lot:
    """A row of `lots` in memory; `id` is 0 until it is written."""

    __slots__ = (
        "available_at",
        "changed",
        "expires_at",
        "granted",
        "id",
        "is_pending",
        "lapses",
        "member_id",
        "remaining",
        "shop",
        "source",
    )

    def __init__(
        self,
        shop: str,
        member_id: int,
        source: str,
        granted: int,
        available_at: datetime,
        is_pending: bool,
        expires_at: datetime | None,
    ) -> None:
        self.id = 0
        self.shop = shop
        self.member_id = member_id
        self.source = source
        self.granted = granted
        self.remaining = granted
        self.available_at = available_at
        self.is_pending = is_pending
        self.expires_at = expires_at
        self.lapses = 0
        self.changed = False

    @property
    def due_at(self) -> datetime | None:
        """When time alone will do something to this lot."""
        if self.remaining == 0:
            return None
        return self.available_at if self.is_pending else self.expires_at

    def take(self, points: int) -> None:
        if not 0 < points <= self.remaining:
            raise BrokenAccountError(
                self.member_id,
                f"lot {self.source} has {self.remaining} points, {points} were to be taken",
            )
        self.remaining -= points
        self.changed = True

    def put_back(self, points: int) -> None:
        if not 0 < points <= self.granted - self.remaining:
            raise BrokenAccountError(
                self.member_id, f"lot {self.source} cannot get {points} points back"
            )
        self.remaining += points
        self.changed = True


def spendable(lots: Iterable[Lot], now: datetime) -> list[Lot]:
    """Those a shopper may spend from: released, and not past their expiry even when the expiry
    run is late.
    """
    return [
        lot
        for lot in lots
        if not lot.is_pending and (lot.expires_at is None or lot.expires_at > now)
    ]


def take(
    member_id: int, lots: Iterable[Lot], points: int, first: str = ""
) -> list[tuple[Lot, int]]:
    """Take `points` of that member and tell from which lots: those of the grant `first`, then the
    earliest expiry (those without last), then the earliest available, then the oldest.

    The caller has checked that the balance holds enough; a shortfall raises BrokenAccountError.
    """
    taken: list[tuple[Lot, int]] = []
    for lot in sorted(lots, key=lambda lot: (not is_of(lot, first), *_order(lot))):
        if points == 0:
            break
        part = min(points, lot.remaining)
        if part:
            lot.take(part)
            taken.append((lot, part))
            points -= part
    if points:
        raise BrokenAccountError(member_id, f"the lots are {points} points short of the balance")
    return taken


def is_of(lot: Lot, grant: str) -> bool:
    """Whether a grant made the lot: `order:1` makes order:1, order:1:1, order:1:2 ..."""
    return grant in {lot.source, grant_of(lot)}


def grant_of(lot: Lot) -> str:
    """The source of the grant that made the lot."""
    kind, _, name = lot.source.partition(":")
    if kind == "way":  # one gift, one lot, and what a reward gave back of it
        return lot.source.removesuffix(":back")
    return f"{kind}:{name.partition(':')[0]}"


async def of_members(conn: Connection, member_ids: Sequence[int]) -> dict[int, list[Lot]]:
    """The lots with points left of these members, who must be locked; one statement."""
    found: dict[int, list[Lot]] = {member_id: [] for member_id in member_ids}
    for row in await conn.fetch(SELECT, list(member_ids)) if member_ids else ():
        found[row["member_id"]].append(from_row(row))
    return found


async def by_ids(conn: Connection, ids: Iterable[int]) -> list[Lot]:
    """These lots, spent or not, whose members must be locked."""
    return [from_row(row) for row in await conn.fetch(SELECT_BY_ID, list(ids))]


def write(writes: Writes, lots: Iterable[Lot], now: datetime) -> None:
    """Insert the new ones and update the changed ones."""
    fresh = []
    changed = []
    for lot in lots:
        if lot.id == 0:
            fresh.append(
                (
                    lot.shop,
                    lot.member_id,
                    lot.source,
                    lot.granted,
                    lot.remaining,
                    lot.available_at,
                    lot.is_pending,
                    lot.expires_at,
                    lot.due_at,
                    0,
                    now,
                )
            )
        elif lot.changed:
            changed.append((lot.id, lot.remaining, lot.is_pending, lot.due_at, lot.lapses))
    writes.insert("lots", INSERTED, fresh)
    if changed:
        writes.add(UPDATE.format(changed=writes.rows("changed", CHANGED, changed)))


def from_row(row: Row) -> Lot:
    """A Lot from a row with COLUMNS."""
    lot = Lot(
        row["shop"],
        row["member_id"],
        row["source"],
        row["granted"],
        row["available_at"],
        row["is_pending"],
        row["expires_at"],
    )
    lot.id, lot.remaining, lot.lapses = row["id"], row["remaining"], row["lapses"]
    return lot


def _order(lot: Lot) -> tuple[bool, float, float, bool, int]:
    expiry = lot.expires_at
    # a lot made in this transaction has no id yet: it is the newest
    return (
        expiry is None,
        expiry.timestamp() if expiry else 0.0,
        lot.available_at.timestamp(),
        lot.id == 0,
        lot.id,
    )
