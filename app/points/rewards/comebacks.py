"""Points that come back because of what became of a code: its order came back, or it was not used
by its end.
"""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol

import httpx
import msgspec

from app import db
from app.db import Connection, Stores
from app.points import steps
from app.points.earning.rules import Frozen, Known
from app.points.ledger.accounts import Account, Key
from app.points.ledger.posting import Batch
from app.points.rewards import issuing, restoring, rules, settling
from app.points.rewards.restoring import Back
from app.telemetry import logs

ATTEMPT_SECONDS = 9.0
LEASE = timedelta(seconds=10)
LATER = timedelta(minutes=15)  # where Shopify could not be asked
UNUSED = "The code was not used by its end."
SELECT_ORDERS = """
SELECT found.shop, found.source, found.known, found.frozen
  FROM unnest($1::text[], $2::text[]) AS wanted (shop, source)
  JOIN grants AS found ON found.shop = wanted.shop AND found.source = wanted.source
"""
# of orders that are partly gone: few of them were paid for with points
SELECT_USED = """
SELECT found.id, found.shop, found.order_id
  FROM unnest($1::text[], $2::text[]) AS wanted (shop, order_id)
  JOIN redemptions AS found ON found.shop = wanted.shop AND found.order_id = wanted.order_id
 WHERE found.order_id <> '' AND found.state = 'used' AND found.points > found.returned_points
 ORDER BY found.member_id, found.created_at, found.id
"""
RETURNED = """
UPDATE redemptions SET returned_points = $2, reason = $3, updated_at = $4 WHERE id = $1
"""
LEASE_UNUSED = f"""
UPDATE redemptions SET next_attempt_at = $3
 WHERE id = $1 AND state = 'captured' AND next_attempt_at <= $2 AND ends_at <= $2
RETURNING {issuing.COLUMNS}
"""
NOT_AGAIN = """
UPDATE redemptions SET next_attempt_at = $2 WHERE id = $1 AND state = 'captured'
"""
log = logs.logger()
_known = msgspec.json.Decoder(Known)
_frozen = msgspec.json.Decoder(Frozen)


class Followed(Protocol):
    """What the batch knows of an order; a grant is one."""

    known: Known
    frozen: Frozen | None
    name: str


class Came(NamedTuple):
    """An order of which something may have come back, and what people call it."""

    known: Known
    returns: str
    name: str


async def follow(
    conn: Connection, orders: Mapping[Key, Followed], linked: Iterable[Key], now: datetime
) -> dict[int, Account]:
    """Give back the points of codes whose orders came back, in the transaction open on `conn`; the
    members whose balances changed, by id.

    `orders` are those about which something new is known, `linked` those that are found to have
    used a code just now. What an order gives back depends on what is known of it alone, and what
    came back is not taken again. Raises FrozenError.
    """
    known = {key: (one.known, one.frozen, one.name) for key, one in orders.items()}
    await _load(conn, known, [key for key in linked if key not in known])
    gone = [key for key, (what, _, _) in known.items() if _may_be_gone(what)]
    if not gone:
        return {}
    rows = await conn.fetch(
        SELECT_USED, [shop for shop, _ in gone], [order_id for _, order_id in gone]
    )
    moved: dict[int, Account] = {}
    for row in rows:
        what, frozen, name = known[row["shop"], row["order_id"]]
        came = Came(what, frozen.returns if frozen else "goods", name or row["order_id"])
        moved |= await _return(conn, row["id"], came, now)
    return moved


async def end_unused(stores: Stores, client: httpx.AsyncClient, redemption_id: str) -> None:
    """A code has ended, and its reward gives points back where it was not used: Shopify is asked
    whether it was, and while it does not answer nothing is changed.
    """
    now = datetime.now(UTC)
    async with db.connection() as conn:
        row = await conn.fetchrow(LEASE_UNUSED, redemption_id, now, now + LEASE)
    if row is None:
        return
    lease = issuing.lease(row)
    if lease.details.on_unused != "give_back":
        return
    try:
        async with asyncio.timeout(ATTEMPT_SECONDS):
            found = await issuing.find(stores, client, lease)
            is_spent = bool(found and found.is_ours and found.uses)
            if found and found.is_ours and found.is_active and not is_spent:
                await issuing.take_back(stores, client, lease, found)
        if not is_spent:
            await settling.cancel(stores, redemption_id, UNUSED, "unused")
        at = None  # its order says that it was used
    except Exception as error:  # noqa: BLE001
        # nobody knows: it is asked again
        log.warning("unused code not ended", redemption_id=redemption_id, reason=repr(error))
        at = now + LATER
    async with db.connection() as conn:
        await conn.execute(NOT_AGAIN, lease.id, at)


async def _load(conn: Connection, known: dict[Key, Any], missing: list[Key]) -> None:
    if not missing:
        return
    sources = [f"order:{order_id}" for _, order_id in missing]
    for row in await conn.fetch(SELECT_ORDERS, [shop for shop, _ in missing], sources):
        frozen = _frozen.decode(row["frozen"]) if row["frozen"] else None
        order_id = row["source"].partition(":")[2]
        known[row["shop"], order_id] = (_known.decode(row["known"]), frozen, "")


def _may_be_gone(known: Known) -> bool:
    """Whether anything of an order may be gone: of nearly all nothing is, and this is cheap."""
    return bool(
        known.ended
        or any(back.adjustment for back in known.refunds.values())
        or any(line.kept < line.quantity for line in known.lines)
    )


async def _return(
    conn: Connection, redemption_id: Any, came: Came, now: datetime
) -> dict[int, Account]:
    batch, ended, name = Batch(now), came.known.ended, came.name
    given, account = await restoring.lock(conn, batch, redemption_id)
    policy = given.details.on_return
    # as a whole the order comes back, in proportion what the code took off
    share = rules.gone(came.known, given.code if policy == "share" else "", came.returns)
    wanted = rules.to_return(given.points, policy, share)
    points = wanted - given.returned_points
    if given.state != "used" or points <= 0:
        return {}
    cause = {"cancel": "was cancelled", "delete": "was deleted"}.get(ended, "came back")
    reason = f"Order {name} {cause}: {wanted:,} of {given.points:,} points came back."
    why = {"order_name": name, "order_id": given.order_id, "cause": ended or "refund"}
    source = f"{given.source}:{wanted}"  # each step comes once, whatever it is told by
    back = Back("comeback", "spent", source, points, why)
    await restoring.come_back(conn, batch, account, given, back, has_grace=True)
    await batch.write(conn)
    await conn.execute(RETURNED, given.id, wanted, reason, now)
    if wanted == given.points:
        await steps.of_reward(conn, account, given.id, "returned", reason, now)
    return batch.moved
