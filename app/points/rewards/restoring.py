"""Points of a redemption that come back: into the lots they came from, in part or whole, and what
happened meanwhile to those lots is made up for.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from app.db import Connection
from app.errors import NotFoundError
from app.points import facts
from app.points.earning import rules as earning
from app.points.earning import terms
from app.points.ledger import lots
from app.points.ledger.accounts import Account
from app.points.ledger.lots import Lot
from app.points.ledger.posting import Batch
from app.points.rewards.rules import Details

COLUMNS = (
    "id, member_id, title, kind, points, returned_points, amount_off, details, ends_at, state, "
    "allocations, request_id, order_id, code"
)
SELECT = f"SELECT {COLUMNS} FROM redemptions WHERE id = $1"
# against an order that uses its code at the same moment
SELECT_LOCKED = f"{SELECT} FOR UPDATE"
SELECT_UNMET = """
SELECT source, name, unmet FROM grants
 WHERE shop = $1 AND source = ANY($2::text[]) AND unmet > 0 ORDER BY source
"""
MEET = """
UPDATE grants SET unmet = unmet - $3, forgiven = forgiven - $3 WHERE shop = $1 AND source = $2
"""


class Redemption(NamedTuple):
    """A redemption as it is settled."""

    id: UUID
    member_id: int
    title: str
    kind: str
    points: int
    returned_points: int
    amount_off: Decimal
    details: Details
    ends_at: datetime | None
    state: str
    allocations: str  # JSON: [[lot id, points]]
    request_id: str
    order_id: str
    code: str

    @property
    def source(self) -> str:
        return f"redemption:{self.id}"

    @property
    def why(self) -> dict[str, Any]:
        return {
            "reward": self.title,
            "redemption_id": str(self.id),
            "amount_off": str(self.amount_off),
            "kind": self.kind,
        }


class Back(NamedTuple):
    """Points of a redemption that come back: how it is written down, and from which bucket."""

    effect: str
    bucket: str  # held | spent
    source: str
    points: int
    why: dict[str, Any]


async def come_back(
    conn: Connection,
    batch: Batch,
    account: Account,
    given: Redemption,
    back: Back,
    *,
    has_grace: bool = False,
) -> None:
    """Move points of a redemption back to available and into their lots, on a locked account.

    What orders refunded meanwhile would have taken of them is taken now, then a debt is repaid.
    With grace, what could be spent for less than the reward's grace comes in a lot that can.
    """
    why = {**given.why, **back.why}
    batch.move(
        account, back.source, back.effect, back.bucket, "available", back.points, why, batch.now
    )
    restored = await _put_back(conn, batch, account, given, back.points, has_grace=has_grace)
    if back.bucket == "spent":
        tell(batch, "points.returned", account, given, back.points, back.source)
    left = back.points - await _take_unmet(conn, batch, account, given, back.source, restored)
    batch.repay(account, [lot for lot, _ in restored], back.source, left, batch.now)


async def lock(
    conn: Connection, batch: Batch, redemption_id: str | UUID
) -> tuple[Redemption, Account]:
    """The redemption with its member locked, so that nobody else can settle it. Raises
    NotFoundError.
    """
    row = await conn.fetchrow(SELECT, redemption_id)
    if row is None:
        raise NotFoundError("There is no such redemption.")
    await batch.lock(conn, ids=[row["member_id"]])
    row = await conn.fetchrow(SELECT_LOCKED, redemption_id)  # again: it may have been settled
    assert row is not None
    if row["member_id"] not in batch.accounts:  # or its customer merged into another one
        await batch.lock(conn, ids=[row["member_id"]])
    held = Redemption(**{**row, "details": _details.decode(row["details"])})
    return held, batch.accounts[held.member_id]


def tell(
    batch: Batch, topic: str, account: Account, given: Redemption, points: int, source: str = ""
) -> None:
    batch.facts.append(
        facts.made(
            topic,
            account,
            source or given.source,
            points,
            given.request_id,
            redemption_id=str(given.id),
        )
    )


async def _take_unmet(
    conn: Connection,
    batch: Batch,
    account: Account,
    given: Redemption,
    source: str,
    restored: list[tuple[Lot, int]],
) -> int:
    """Points of an order that was refunded while they were away, and that the policy would have
    taken, go now; how many.
    """
    by_grant: dict[str, list[tuple[Lot, int]]] = {}
    for lot, points in restored:
        by_grant.setdefault(lots.grant_of(lot), []).append((lot, points))
    taken_in_all = 0
    for row in await conn.fetch(SELECT_UNMET, account.shop, list(by_grant)):
        mine = by_grant[row["source"]]
        left = taken = min(row["unmet"], sum(points for _, points in mine))
        for lot, points in mine:
            part = min(left, points)
            if part:
                lot.take(part)
                left -= part
        key = f"{source}:{row['source']}"
        why = {**given.why, "order_name": row["name"], "order_id": row["source"].partition(":")[2]}
        batch.move(account, key, "reverse.returned", "available", "reversed", taken, why, batch.now)
        batch.facts.append(
            facts.made("points.reversed", account, key, taken, given.request_id, forgiven=0)
        )
        await conn.execute(MEET, account.shop, row["source"], taken)
        taken_in_all += taken
    return taken_in_all


async def _put_back(
    conn: Connection,
    batch: Batch,
    account: Account,
    given: Redemption,
    points: int,
    *,
    has_grace: bool,
) -> list[tuple[Lot, int]]:
    """The next `points` of it in their lots, what was taken last first; with how many each."""
    parts = _next_parts(msgspec.json.decode(given.allocations), given.returned_points, points)
    found = sorted(await lots.by_ids(conn, parts), key=lambda lot: lot.id)
    until = None
    if has_grace and given.details.grace_days and any(lot.expires_at for lot in found):
        rule = (await terms.of_shops(conn, [account.shop]))[account.shop]
        until = earning.expires_at(batch.now, given.details.grace_days, rule.timezone)
    restored = []
    for lot in found:
        part = parts[lot.id]
        if until is not None and lot.expires_at is not None and lot.expires_at < until:
            # of the same grant: a refund of it still finds them
            source = f"{lots.grant_of(lot)}:back"
            place = Lot(
                account.shop,
                account.id,
                source,
                part,
                batch.now,
                is_pending=False,
                expires_at=until,
            )
        else:
            place = lot
            place.put_back(part)
        batch.add(place)
        restored.append((place, part))
    return restored


def _next_parts(allocations: list[tuple[int, int]], skip: int, points: int) -> dict[int, int]:
    """Points by lot: those taken last come back first, behind `skip` that are back already."""
    parts: dict[int, int] = {}
    for lot_id, taken in reversed(allocations):
        here = max(0, taken - skip)
        skip = max(0, skip - taken)
        part = min(points, here)
        if part:
            parts[lot_id] = parts.get(lot_id, 0) + part
            points -= part
    return parts


_details = msgspec.json.Decoder(Details)
