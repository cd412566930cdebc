"""What staff do to a balance: give or take points, with a reason; repair one that is frozen."""

from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec

from app import db, text
from app.db import Connection, Stores
from app.errors import BadInputError, ConflictError, NotFoundError, RefusedError
from app.points import facts
from app.points.earning import rules, terms
from app.points.earning.rules import Terms
from app.points.ledger import balances, freezing, lots
from app.points.ledger.accounts import Account
from app.points.ledger.keys import checked_key, fingerprint
from app.points.ledger.lots import Lot
from app.points.ledger.posting import Batch
from app.points.views import Balance

REASON_LENGTH_MAX = 500
ADJUSTMENT_MAX = 1_000_000_000
NOBODY = "There is no such customer in this shop."
SELECT_MEANWHILE = """
SELECT why, sequence FROM ledger
 WHERE member_id = $1 AND sequence > $2 AND effect = 'adjust' ORDER BY sequence DESC LIMIT 1
"""
SELECT_ADJUSTMENT = "SELECT why FROM ledger WHERE shop = $1 AND source = $2 AND effect = 'adjust'"
# what the ledger says of each bucket, in double entry
FOLD = """
SELECT bucket, sum(points)::bigint AS points
  FROM (SELECT to_bucket AS bucket, points FROM ledger WHERE member_id = $1
        UNION ALL
        SELECT from_bucket, -points FROM ledger WHERE member_id = $1) AS moved
 GROUP BY bucket
"""


class StaleAdjustmentError(ConflictError):
    """Somebody else adjusted this balance meanwhile; `points`, `reason` and `name` are theirs,
    `sequence` is what has been seen with this.
    """

    code = "stale"

    def __init__(self, why: dict[str, Any], sequence: int) -> None:
        super().__init__("This balance was adjusted meanwhile. Nothing of yours was saved yet.")
        self.points, self.reason = why["points"], why["reason"]
        self.name = why.get("name") or "staff"
        self.sequence = sequence


async def adjust(
    shop: str,
    customer_id: str,
    points: int,
    reason: str,
    key: str,
    by: str,
    stores: Stores | None = None,
    *,
    name: str = "",
    seen_sequence: int | None = None,
) -> Balance:
    """Give (or with negative `points` take) points, with a reason of 1..500 characters. `by` is
    the id of the member of staff, `name` what to call them, `seen_sequence` the newest row of the
    ledger they know of.

    Raises BadInputError, NotFoundError (no such member), ConflictError (key used otherwise),
    StaleAdjustmentError, RefusedError (more than is available), FrozenError.
    """
    reason = checked_reason(reason)
    check_points(points)
    source = f"adjustment:{checked_key(key)}"
    request = fingerprint(customer_id, str(points), reason)
    batch = Batch(datetime.now(UTC))
    why = {"points": points, "reason": reason, "by": text.clean(by, 64), "request": request}
    if name:
        why["name"] = text.clean(name, 64)
    try:
        async with freezing.whoever_is_broken(), db.transaction() as conn:
            account = await _account(conn, batch, shop, customer_id)
            earlier = await conn.fetchval(SELECT_ADJUSTMENT, shop, source)
            if earlier is None:
                await _check_seen(conn, account, seen_sequence)
                await _adjust(conn, batch, account, points, source, why)
            elif msgspec.json.decode(earlier)["request"] != request:
                raise ConflictError("This adjustment was already saved with other contents.")
    except asyncpg.UniqueViolationError as error:  # the same key for two customers at once
        raise ConflictError("This adjustment was already saved with other contents.") from error
    if stores is not None:
        await balances.publish(stores, [account], batch.now)
    return balances.of_account(account, batch.now)


def checked_reason(reason: str) -> str:
    """The reason as it can be kept. Raises BadInputError for none, and for more than 500
    characters.
    """
    reason = text.clean(reason, REASON_LENGTH_MAX + 1)
    if not reason.strip() or len(reason) > REASON_LENGTH_MAX:
        raise BadInputError(f"Please give a reason of at most {REASON_LENGTH_MAX} characters.")
    return reason


def check_points(points: int) -> None:
    """Raises BadInputError for a number of points nobody is given or taken."""
    if not 0 < abs(points) <= ADJUSTMENT_MAX:
        raise BadInputError(
            f"Please give a number of points other than 0, at most {ADJUSTMENT_MAX:,}."
        )


def post(
    batch: Batch, account: Account, points: int, source: str, why: dict[str, Any], rule: Terms
) -> None:
    """Give a locked member points, or take them (below 0), whose lots are loaded then."""
    if points > 0:
        expires_at = rules.expires_at(batch.now, rule.expiry_days, rule.timezone)
        lot = Lot(
            account.shop,
            account.id,
            source,
            points,
            batch.now,
            is_pending=False,
            expires_at=expires_at,
        )
        batch.add(lot)
        batch.move(account, source, "adjust", "issued", "available", points, why, batch.now)
        batch.facts.append(facts.made("points.earned", account, source, points, ""))
        batch.repay(account, [lot], source, points, batch.now)
        return
    released = [lot for lot in batch.lots[account.id] if not lot.is_pending]
    lots.take(account.id, released, -points)
    batch.move(account, source, "adjust", "available", "reversed", -points, why, batch.now)
    batch.facts.append(facts.made("points.reversed", account, source, -points, ""))


async def repair(shop: str, customer_id: str) -> dict[str, int]:
    """Make a member's lots agree with the balance again and let the points move; by how many
    points the pending and the available lots were wrong (too much: above 0).

    The balance must be the sum of the ledger: what the lots hold above it is taken from those that
    expire first, what they lack becomes a lot that never expires. Raises NotFoundError, and
    ConflictError, having changed nothing, when the ledger itself contradicts the balance.
    """
    batch = Batch(datetime.now(UTC))
    async with db.transaction() as conn:
        account = await _account(conn, batch, shop, customer_id)
        told = {row["bucket"]: row["points"] for row in await conn.fetch(FOLD, account.id)}
        if any(told.get(bucket, 0) != points for bucket, points in account.points.items()):
            raise ConflictError("The balance is not the sum of the ledger; nothing was changed.")
        await batch.load_lots(conn, [account.id])
        wrong = {
            "pending": _level(batch, account, account.pending, is_pending=True),
            "available": _level(batch, account, account.available, is_pending=False),
        }
        await batch.write(conn)
        await freezing.thaw(conn, account.id)
    return wrong


def _level(batch: Batch, account: Account, points: int, *, is_pending: bool) -> int:
    mine = [lot for lot in batch.lots[account.id] if lot.is_pending == is_pending]
    wrong = sum(lot.remaining for lot in mine) - points
    if wrong > 0:
        lots.take(account.id, mine, wrong)
    elif wrong < 0:
        source = (
            f"repair:{account.id}:{account.sequence}:{'pending' if is_pending else 'available'}"
        )
        batch.add(Lot(account.shop, account.id, source, -wrong, batch.now, is_pending, None))
    return wrong


async def _account(conn: Connection, batch: Batch, shop: str, customer_id: str) -> Account:
    await batch.lock(conn, [(shop, customer_id)])
    account = batch.by_customer.get((shop, customer_id))
    if account is None:
        raise NotFoundError(NOBODY)
    if account.merged_into is not None:
        raise ConflictError("This customer was merged into another one, who has the points now.")
    return account


async def _check_seen(conn: Connection, account: Account, seen_sequence: int | None) -> None:
    """Two members of staff who mean the same are not to do it twice without knowing."""
    if seen_sequence is None or seen_sequence >= account.sequence:
        return
    row = await conn.fetchrow(SELECT_MEANWHILE, account.id, seen_sequence)
    if row is not None:
        raise StaleAdjustmentError(msgspec.json.decode(row["why"]), row["sequence"])


async def _adjust(
    conn: Connection,
    batch: Batch,
    account: Account,
    points: int,
    source: str,
    why: dict[str, Any],
) -> None:
    account.check_not_frozen()
    if points < 0:
        if -points > account.available:
            raise RefusedError(
                f"Only {account.available:,} points are available.", code="insufficient_points"
            )
        await batch.load_lots(conn, [account.id])
    rule = (await terms.of_shops(conn, [account.shop]))[account.shop]
    post(batch, account, points, source, why, rule)
    await batch.write(conn)
