"""Wishes for points from outside: a shopper's word that they follow, an action that the shop's own
server or Shopify Flow tells of.
"""

import re
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec

from app import db, rooms
from app.core import reads as core_reads
from app.db import Connection, Stores
from app.errors import BadInputError, ConflictError, NotFoundError
from app.points.ledger import balances, freezing
from app.points.ledger.keys import checked_key, fingerprint
from app.points.ledger.posting import Batch
from app.points.rewards.actions import BusyMemberError
from app.points.ways import actions, birthdays, giving
from app.points.ways.giving import Given
from app.resilience.guard import Resource

NOBODY = "There is no such customer in this shop."
TELLS = Resource("ways to earn", room=rooms.HOLDS, by_shop=True)
_CUSTOMER = re.compile(r"(?:gid://shopify/Customer/)?([0-9]{1,20})", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
SELECT_EARLIER = "SELECT request_hash, answer FROM way_calls WHERE shop = $1 AND key = $2"
INSERT = """
INSERT INTO way_calls (shop, key, request_hash, answer, created_at) VALUES ($1, $2, $3, $4, $5)
"""


async def honour(shop: str, customer_id: str, way_id: str, stores: Stores | None = None) -> Given:
    """Give a shopper what following a network gives, on their word and once.

    Raises NotFoundError, RefusedError (`program_not_live`), FrozenError, BusyMemberError.
    """
    if not _NUMBER.fullmatch(way_id):
        raise NotFoundError(actions.NO_SUCH, code="unknown_action")
    batch = Batch(datetime.now(UTC))
    async with freezing.whoever_is_broken(), db.transaction() as conn:
        way = await giving.now(conn, shop, way_id=int(way_id))
        if way.kind != "follow":
            raise NotFoundError(actions.NO_SUCH, code="unknown_action")
        rule = await giving.live_terms(conn, shop)
        member = await _member(conn, batch, shop, customer_id)
        given = await giving.claim(conn, batch, member, way, rule, {})
        await _write(conn, batch, given)
    if stores is not None and batch.moved:
        await balances.publish(stores, batch.moved.values(), batch.now)
    return given


async def act(
    shop: str,
    handle: str,
    customer: str | int,
    key: str,
    told_by: str,
    stores: Stores | None = None,
) -> dict[str, Any]:
    """Give a customer (number or gid) what the action of that name gives, at most as often as it
    says: `{"outcome": "given" | "already", "points", "action", "customer_id"}`. The same key with
    the same wish gets the same answer. `told_by` is server or flow.

    Raises BadInputError, NotFoundError, RefusedError (`program_not_live`), ConflictError (key used
    otherwise), FrozenError, BusyMemberError.
    """
    customer_id, key = await _who(shop, customer), f"{told_by}:{checked_key(key)}"
    request = fingerprint(handle, customer_id)
    batch = Batch(datetime.now(UTC))
    try:
        async with freezing.whoever_is_broken(), db.transaction() as conn:
            if (earlier := await _earlier(conn, shop, key, request)) is not None:
                return earlier
            way = await giving.now(conn, shop, handle=handle)
            rule = await giving.live_terms(conn, shop)
            member = await _member(conn, batch, shop, customer_id)
            # of two with one key at once the second waited here, and finds what the first did
            if (earlier := await _earlier(conn, shop, key, request)) is not None:
                return earlier
            why = {"told_by": told_by}
            given = await giving.claim(conn, batch, member, way, rule, why)
            answer = {
                "outcome": given.outcome,
                "points": given.points,
                "action": handle,
                "customer_id": member.customer_id,
            }
            said = msgspec.json.encode(answer).decode()
            await conn.execute(INSERT, shop, key, request, said, batch.now)
            await _write(conn, batch, given)
    except asyncpg.UniqueViolationError as error:  # one key for two customers at once
        raise ConflictError(USED) from error
    if stores is not None and batch.moved:
        await balances.publish(stores, batch.moved.values(), batch.now)
    return answer


async def born(
    shop: str, customer: str | int, day: str, stores: Stores | None = None
) -> dict[str, Any]:
    """Note a birthday that the shop itself knows, under the same rules as the customer's own word:
    `{"customer_id", "month_day", "can_edit", "editable_from"}`. The same day again changes nothing.

    Raises BadInputError, NotFoundError, RefusedError (`birthday_edited`), FrozenError.
    """
    customer_id = await _who(shop, customer)
    said = await birthdays.say(shop, customer_id, day, stores)
    return {
        "customer_id": customer_id,
        "month_day": said.month_day,
        "can_edit": said.can_edit,
        "editable_from": said.editable_from.isoformat() if said.editable_from else None,
    }


async def _who(shop: str, customer: str | int) -> str:
    """The number of a customer named by number or gid. Raises BadInputError, NotFoundError for one
    who is deleted.
    """
    found = _CUSTOMER.fullmatch(str(customer).strip())
    if found is None:
        raise BadInputError("Please name the customer by number, such as 7001.")
    info = (await core_reads.customers(shop, [found[1]])).get(found[1])
    if info is not None and info.is_deleted:
        raise NotFoundError(NOBODY, code="unknown_customer")
    return found[1]


USED = "This idempotency key was used for something else already."


async def _earlier(conn: Connection, shop: str, key: str, request: str) -> dict[str, Any] | None:
    row = await conn.fetchrow(SELECT_EARLIER, shop, key)
    if row is None:
        return None
    if row["request_hash"] != request:
        raise ConflictError(USED)
    answer: dict[str, Any] = msgspec.json.decode(row["answer"])
    return answer


async def _member(conn: Connection, batch: Batch, shop: str, customer_id: str) -> Any:
    try:
        return await giving.account(conn, batch, shop, customer_id)
    except asyncpg.LockNotAvailableError as error:
        raise BusyMemberError from error


async def _write(conn: Connection, batch: Batch, given: Given) -> None:
    await batch.write(conn)
    await giving.count(conn, [(given.way.id, given.points)] if given.points else [])
