"""Orders become what they mean for referrals: a whole batch in one transaction, in any order of
arrival.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from app.db import Connection, Row
from app.referrals import events
from app.referrals.claims import marks
from app.referrals.claims.rules import Reason
from app.referrals.events import Happened
from app.referrals.orders import awards, judging, kept, rules
from app.referrals.orders import incoming as news
from app.referrals.orders.incoming import Incoming, Key
from app.referrals.orders.rules import Order
from app.referrals.people import actions as people
from app.referrals.people import friends
from app.referrals.views import Settings

ORDERS_MAX = 20  # of one friend: of more than that the earliest ones count
_REFERRAL = (
    "id, shop, link_id, advocate_id, friend_email, friend_key, friend_id, state, verdict, score, "
    "reasons, decided_by, offer, order_id, order_name, ordered_at, due_at, completed_at, rounds, "
    "request_id, claimed_at"
)
# by the code, the address, the customer; and those whose order it is already
FIND = f"""
WITH told AS MATERIALIZED (
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
         AS told (shop, order_id, codes, email_key, customer_id)),
matched AS (
     SELECT told.order_id AS matched, referrals.id FROM told JOIN referrals
         ON referrals.shop = told.shop AND told.codes <> ''
        AND upper(referrals.code) = ANY (string_to_array(told.codes, ','))
     UNION
     SELECT told.order_id, referrals.id FROM told JOIN referrals
         ON referrals.shop = told.shop AND referrals.friend_key = told.email_key
        AND referrals.friend_key <> ''
     UNION
     SELECT told.order_id, referrals.id FROM told JOIN referrals
         ON referrals.shop = told.shop AND referrals.friend_id = told.customer_id
        AND referrals.friend_id <> ''
     UNION
     SELECT told.order_id, seen.referral_id FROM told JOIN referral_orders AS seen
         ON seen.shop = told.shop AND seen.order_id = told.order_id
      WHERE seen.referral_id IS NOT NULL)
SELECT matched.matched, {", ".join(f"referrals.{one}" for one in _REFERRAL.split(", "))}
  FROM matched JOIN referrals ON referrals.id = matched.id
 ORDER BY referrals.id FOR UPDATE OF referrals
"""
SETTLE = """
UPDATE referrals SET state = $2, verdict = $3, score = $4, reasons = $5::jsonb, friend_id = $6,
                     order_id = $7, order_name = $8, order_net = $9, ordered_at = $10, due_at = $11,
                     updated_at = $12
 WHERE id = $1
"""


class Matched(NamedTuple):
    """A referral, and the orders of this batch that may be its friend's."""

    row: Row
    orders: set[str]


async def apply(conn: Connection, told: Incoming, now: datetime) -> None:
    """Note who is known, and bring the referrals whose friends' orders these are up to them."""
    await people.put(conn, told.people)
    await marks.put(conn, told.addresses)
    await friends.known(conn, told.people, now)
    if not told.orders:
        return
    seen = await kept.seen(conn, told.orders)
    found = await _find(conn, told, seen)
    of_order = {
        (row["shop"], order_id): row["id"]
        for row, orders in reversed(found)
        for order_id in orders
        if _may_have(row, order_id)
    }
    joined = {
        key: news.joined(seen[key][1], order) if key in seen else order
        for key, order in told.orders.items()
    }
    rows = {
        key: (seen[key][0] if key in seen and seen[key][0] else of_order.get(key), order)
        for key, order in joined.items()
        if key in of_order or key in seen or order.ended or order.told is None
    }
    await kept.put(conn, rows, now)
    settled = {referral_id for referral_id, _ in rows.values() if referral_id}
    await settle(conn, [row for row, _ in found if row["id"] in settled], told, now)


async def settle(conn: Connection, rows: Sequence[Row], told: Incoming, now: datetime) -> None:
    """Bring locked referrals to what their orders say now."""
    if not rows:
        return
    orders = await kept.of_referrals(conn, rows)
    for row in rows:
        await _settle(conn, row, orders.get(row["id"], []), told, now)


async def _settle(
    conn: Connection, row: Row, orders: list[Order], told: Incoming, now: datetime
) -> None:
    offer = msgspec.json.decode(row["offer"], type=Settings)
    if row["state"] in {"completed", "reversed"}:
        await _look_at_return(conn, row, orders, offer, now)
        return
    if row["state"] == "lapsed":
        return
    now_standing = rules.standing(orders, row["claimed_at"], offer, now)
    order = now_standing.order
    if order is None:
        if row["order_id"]:
            await _back_to_claimed(conn, row, offer, now_standing, now)
        elif now_standing.first is not None and row["due_at"] != now_standing.due_at:
            await _wait_for_second(conn, row, now_standing, told, now)
        return
    assert order.told is not None
    is_same = order.order_id == row["order_id"]
    judged = judging.Judged(row["verdict"], msgspec.json.decode(row["reasons"], type=list[Reason]))
    happened: list[Happened] = []
    if not is_same:
        said = f"Order {order.told.name or order.order_id} counts for this referral."
        happened.append(Happened(row["shop"], row["id"], "ordered", said, now))
        judged = await judging.judge(conn, row, order, "order", told)
        happened += judged.happened(row, now)
    due_at = row["due_at"] if is_same and row["due_at"] else now_standing.due_at
    await conn.execute(
        SETTLE,
        row["id"],
        "ordered",
        judged.verdict,
        judged.score if not is_same else row["score"],
        msgspec.json.encode(judged.reasons).decode(),
        order.told.customer_id or row["friend_id"],
        order.order_id,
        order.told.name[:64],
        db_money(order.net),
        order.told.placed_at,
        due_at,
        now,
    )
    await events.note(conn, happened)


async def _wait_for_second(
    conn: Connection, row: Row, standing: rules.Standing, told: Incoming, now: datetime
) -> None:
    """The friend's first order is there, and looked at like the one that is to come."""
    first = standing.first
    assert first is not None
    assert first.told is not None
    judged = await judging.judge(conn, row, first, "first", told)
    said = f"Order {first.told.name or first.order_id} is the first; the second one counts."
    happened = [Happened(row["shop"], row["id"], "first", said, now), *judged.happened(row, now)]
    await conn.execute(
        SETTLE,
        row["id"],
        "claimed",
        judged.verdict,
        judged.score,
        msgspec.json.encode(judged.reasons).decode(),
        first.told.customer_id or row["friend_id"],
        "",
        "",
        None,
        None,
        standing.due_at,
        now,
    )
    await events.note(conn, happened)


async def _back_to_claimed(
    conn: Connection, row: Row, offer: Settings, standing: rules.Standing, now: datetime
) -> None:
    """The order came back before anything was given: the friend may order again."""
    lapses_at = row["claimed_at"] + timedelta(days=offer.code_days + rules.LATE_DAYS)
    lapses_at = standing.due_at or lapses_at
    await conn.execute(
        SETTLE,
        row["id"],
        "claimed",
        row["verdict"],
        row["score"],
        row["reasons"],
        row["friend_id"],
        "",
        "",
        None,
        None,
        max(lapses_at, now),
        now,
    )
    said = f"Order {row['order_name'] or row['order_id']} came back, so it does not count."
    await events.note(conn, [Happened(row["shop"], row["id"], "returned", said, now)])


async def _look_at_return(
    conn: Connection, row: Row, orders: list[Order], offer: Settings, now: datetime
) -> None:
    """What was given is taken back when its order came back inside the window."""
    own = next((one for one in orders if one.order_id == row["order_id"]), None)
    if row["state"] != "completed" or own is None:
        return
    until = row["ordered_at"] + timedelta(days=offer.window_days)
    if rules.stands(orders, own.order_id, offer, until):
        return
    is_own = not rules.is_enough(own, offer, until)
    which = row["order_name"] or own.order_id
    reason = f"Order {which} came back." if is_own else f"The order before {which} came back."
    await awards.take_back(conn, row, reason, now)


def db_money(micros: int) -> Any:
    """Millionths as the database keeps money."""
    return Decimal(micros) / rules.MILLION


def _may_have(row: Row, order_id: str) -> bool:
    """Whether a referral still takes orders: once it is rewarded, its own alone."""
    return row["state"] in {"claimed", "ordered"} or row["order_id"] == order_id


async def _find(
    conn: Connection, told: Incoming, seen: Mapping[Key, tuple[int | None, Order]]
) -> list[Matched]:
    """The referrals these orders may be of, locked, in the order of their ids; of two that one
    order may be of, the one it has, then the earliest.
    """
    asked = []
    merged = await people.kept_ids(
        conn,
        (
            (shop, order.told.customer_id)
            for (shop, _), order in told.orders.items()
            if order.told and order.told.customer_id
        ),
    )
    for key in sorted(told.orders):
        shop, order_id = key
        newest = rules.newest(told.orders[key].told, seen[key][1].told if key in seen else None)
        customer_id = newest.customer_id if newest else ""
        asked.append(
            (
                shop,
                order_id,
                ",".join(sorted(told.codes.get(key, ()))),
                newest.email_key if newest else "",
                merged.get((shop, customer_id), customer_id),
            )
        )
    found: dict[int, Matched] = {}
    for row in await conn.fetch(FIND, *map(list, zip(*asked, strict=True))):
        found.setdefault(row["id"], Matched(row, set())).orders.add(row["matched"])
    return list(found.values())
