"""What a shopper is told of their points beyond the balance: codes, dates, and why each movement
happened.
"""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from app import calendar, paging
from app.db import Connection, Row
from app.points.ledger import given
from app.points.rewards.reads import REDEMPTION_COLUMNS
from app.points.views import Dated, Movement

CODES_SIZE, HISTORY_SIZE = 50, 10
DAYS_MAX = 24  # of each kind; what comes later is summed up
MOMENTS_MAX = 2_000  # different quarters of an hour: a day begins with one in every time zone
SEQUENCE_MAX = 9_000_000_000_000_000_000  # behind every row
LAST_CODE = f"{paging.key(paging.NEVER)}.{'f' * 32}"
_CODE_PLACE = re.compile(r"([0-9]{1,18})\.([0-9a-f]{32})", re.ASCII)
_HISTORY_PLACE = re.compile(r"[0-9]{1,18}", re.ASCII)
SELECT_CODES = f"""
SELECT {REDEMPTION_COLUMNS} FROM redemptions
 WHERE shop = $1 AND customer_id = $2 AND state IN ('held', 'captured')
   AND (created_at, id) < ($3, $4)
 ORDER BY created_at DESC, id DESC LIMIT $5
"""
# due_at: when a hold-back ends, or when what is available expires; `whole` is of all of that kind
SELECT_DATES = """
SELECT is_pending, date_bin('15 minutes', due_at, TIMESTAMPTZ '2000-01-01 00:00:00+00') AS moment,
       sum(remaining)::bigint AS points,
       sum(sum(remaining)) OVER (PARTITION BY is_pending)::bigint AS whole
  FROM lots
 WHERE member_id = (SELECT id FROM members WHERE shop = $1 AND customer_id = $2)
   AND remaining > 0 AND due_at IS NOT NULL
 GROUP BY is_pending, moment ORDER BY moment LIMIT $3
"""
# a capture is the second half of what its hold told already
SELECT_HISTORY = """
SELECT sequence, effect, from_bucket, to_bucket, points, why, effective_at FROM ledger
 WHERE member_id = (SELECT id FROM members WHERE shop = $1 AND customer_id = $2)
   AND sequence < $3 AND NOT (from_bucket = 'held' AND to_bucket = 'spent')
 ORDER BY sequence DESC LIMIT $4
"""
_MOVED = {
    ("issued", "available"): "earned",
    ("issued", "pending"): "earned",
    ("pending", "available"): "released",
    ("available", "held"): "redeemed",
    ("held", "available"): "returned",
    ("spent", "available"): "restored",
    ("available", "expired"): "expired",
    ("pending", "expired"): "expired",
    ("available", "debt"): "repaid",
    ("debt", "reversed"): "owed",
    ("pending", "reversed"): "taken_back",
    ("available", "reversed"): "taken_back",
}
_SENTENCES = {
    "earned": "{points} for order {order}.",
    "given": "{points} from the shop.",
    "taken": "{points} taken by the shop.",
    "released": "{points} can be spent now.",
    "redeemed": "{points} for {reward}.",
    "returned": "{points} back: {reward} could not be made.",
    "restored": "{points} back: {reward} was not used, or its order came back.",
    "expired": "{points} not spent in time.",
    "repaid": "{points} paid back what was owed.",
    "owed": "{points} to be paid back: {order} was refunded or changed after they were spent.",
    "taken_back": "{points} taken back: {order} was refunded or changed.",
    "merged": "{points} moved with an account that was merged with yours.",
    "other": "{points} moved.",
}


def code_place(typed: str) -> str:
    """The place of a page of codes as an address has it; the first page for anything else."""
    return typed if _CODE_PLACE.fullmatch(typed) else ""


def history_place(typed: str) -> str:
    """The same of the history."""
    return typed if _HISTORY_PLACE.fullmatch(typed) else ""


async def codes(
    conn: Connection, shop: str, customer_id: str, place: str = ""
) -> tuple[list[Row], str]:
    """A page of the codes that are not used, and of those being made, the newest first, as rows
    with REDEMPTION_COLUMNS; and the place of the next page, empty where there is none.
    """
    found = _CODE_PLACE.fullmatch(place or LAST_CODE)
    assert found
    before = paging.moment(int(found[1])), UUID(found[2])
    rows = await conn.fetch(SELECT_CODES, shop, customer_id, *before, CODES_SIZE + 1)
    page, goes_on = list(rows[:CODES_SIZE]), len(rows) > CODES_SIZE
    last = page[-1] if goes_on else None
    return page, f"{paging.key(last['created_at'])}.{last['id'].hex}" if last else ""


async def dates(
    conn: Connection, shop: str, customer_id: str, timezone: str
) -> tuple[list[Dated], list[Dated]]:
    """The days on which points on hold-back can be spent from, and the last days of those that
    expire, in that time zone; the first ones first.
    """
    rows = await conn.fetch(SELECT_DATES, shop, customer_id, MOMENTS_MAX)
    coming = [row for row in rows if row["is_pending"]]
    ending = [row for row in rows if not row["is_pending"]]
    # at the moment of expiry they are gone: that is the end of the day before
    return _days(coming, timezone, timedelta()), _days(ending, timezone, timedelta.resolution)


async def history(
    conn: Connection, shop: str, customer_id: str, timezone: str, place: str = ""
) -> tuple[list[Movement], str]:
    """A page of what happened to their points, the newest first, and the place of the next page,
    empty where there is none.
    """
    before = int(place) if place else SEQUENCE_MAX
    rows = await conn.fetch(SELECT_HISTORY, shop, customer_id, before, HISTORY_SIZE + 1)
    page = [_movement(row, timezone) for row in rows[:HISTORY_SIZE]]
    return page, str(rows[HISTORY_SIZE - 1]["sequence"]) if len(rows) > HISTORY_SIZE else ""


def _days(rows: Sequence[Row], timezone: str, before: timedelta) -> list[Dated]:
    points: dict[date, int] = {}
    for row in rows:
        day = (row["moment"] - before).astimezone(calendar.zone(timezone)).date()
        points[day] = points.get(day, 0) + row["points"]
    shown = [Dated(day, points[day]) for day in list(points)[:DAYS_MAX]]
    later = (rows[0]["whole"] if rows else 0) - sum(one.points for one in shown)
    return [*shown, Dated(None, later)] if later else shown


def _movement(row: Row, timezone: str) -> Movement:
    why: dict[str, Any] = msgspec.json.decode(row["why"])
    points: int = row["points"]
    lot = str(why.get("lot") or "order:")
    order = str(why.get("order_name") or why.get("order_id") or "")
    order = order if lot.startswith("order:") else ""
    reward = str(why.get("reward") or "")
    way = str(why.get("way") or "")
    kind = _kind(row, "" if way else order)
    until = why.get("pending_until") if kind in {"earned", "given"} else None
    zone = calendar.zone(timezone)
    change = {"available": points}.get(row["to_bucket"], 0)
    return Movement(
        kind,
        points,
        -points if row["from_bucket"] == "available" else change,
        "" if way else order,
        reward,
        _of_way(kind, points, way, why) or _sentence(kind, points, order, reward),
        row["effective_at"].astimezone(zone).date(),
        datetime.fromisoformat(until).astimezone(zone).date() if until else None,
        row["effective_at"].astimezone(UTC),
        way,
        str(why.get("title") or "") if way else "",
        [(str(name), more) for name, _, _, more, *_ in why.get("bonuses", ()) if kind == "earned"],
    )


def _of_way(kind: str, points: int, way: str, why: dict[str, Any]) -> str:
    """What is said of points that a way to earn gave or lost; empty for all others."""
    if not way:
        return ""
    said = "1 point" if points == 1 else f"{points:,} points"
    if kind == "given":
        return given.own(way, said, why)
    return f"{said} taken back." if kind in {"taken_back", "owed"} else ""


def _kind(row: Row, order: str) -> str:
    effect = row["effect"].split(".", 1)[0]
    if effect == "merge":
        return "merged"
    kind = _MOVED.get((row["from_bucket"], row["to_bucket"]), "other")
    if effect == "adjust" and kind == "taken_back":
        return "taken"
    return "given" if kind == "earned" and not order else kind


def _sentence(kind: str, points: int, order: str, reward: str) -> str:
    said = "1 point" if points == 1 else f"{points:,} points"
    named = order if kind == "earned" else f"order {order}" if order else "an order"
    return _SENTENCES[kind].format(points=said, order=named, reward=f"“{reward}”")
