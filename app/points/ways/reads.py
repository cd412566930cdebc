"""What pages and shoppers are shown of ways to earn."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from app import calendar, db
from app.db import Connection
from app.points.views import Had
from app.points.ways import actions, birthdays, rules

SELECT_ALL = f"""
SELECT {actions.COLUMNS}, given, given_points, updated_at FROM ways WHERE shop = $1
 ORDER BY array_position(ARRAY['account', 'newsletter', 'birthday', 'follow', 'action'],
                         kind::text), id
"""
# how often in each period, by way; the newest period last
SELECT_GIVEN = """
SELECT split_part(source, ':', 2) AS what,
       split_part(split_part(source, ':', 4), '.', 1) AS period, count(*)::int AS times
  FROM grants
 WHERE member_id = (SELECT COALESCE(merged_into, id) FROM members
                     WHERE shop = $1 AND customer_id = $2)
   AND kind <> 'order' AND source LIKE 'way:%'
 GROUP BY 1, 2 ORDER BY max(created_at)
"""


@dataclass(frozen=True, slots=True)
class WayView:
    """A way to earn as the merchant sees it; `given` is how often it gave."""

    id: str
    kind: str
    handle: str
    title: str
    points: int
    per: str
    times: int
    url: str
    is_active: bool
    version: int
    given: int
    given_points: int
    updated_at: datetime


async def of_shop(shop: str) -> list[WayView]:
    """All ways of a shop but orders, in their order on the page."""
    async with db.connection() as conn:
        rows = await conn.fetch(SELECT_ALL, shop)
    return [
        WayView(
            str(row["id"]),
            *(row[name] for name in WayView.__slots__[1:]),
        )
        for row in rows
    ]


async def had(conn: Connection, shop: str, customer_id: str) -> Had:
    """What a customer had of ways so far, and their birthday."""
    times: dict[str, dict[str, int]] = {}
    for row in await conn.fetch(SELECT_GIVEN, shop, customer_id):
        known = times.get(row["what"], {})  # of older periods nothing is needed
        kept = {"": known[""]} if "" in known else {}
        times[row["what"]] = {**kept, row["period"]: row["times"]}
    said = await birthdays.of_customer(conn, shop, customer_id)
    if said is None:
        return Had(times)
    return Had(times, said["month_day"], said["edited_at"], said["given_on"])


def offer(ways: list[WayView]) -> list[dict[str, Any]]:
    """What a shop offers to everybody of its ways that are on."""
    return [
        {
            "kind": way.kind,
            "id": way.id,
            "title": way.title,
            "points": str(way.points),
            "per": way.per,
            "times": way.times,
            "currency": None,
            "url": way.url or None,
        }
        for way in ways
        if way.is_active
    ]


def with_state(
    offered: list[dict[str, Any]], found: Had | None, timezone: str, now: datetime
) -> list[dict[str, Any]]:
    """The ways as one shopper sees them, each open, done, or waiting until `again_at`; `found` is
    None for somebody who is not signed in, to whom all is open.
    """
    today = now.astimezone(calendar.zone(timezone)).date()
    return [{**one, **_state(one, found, today)} for one in offered]


def _state(one: Mapping[str, Any], found: Had | None, today: date) -> dict[str, Any]:
    if found is None or one["kind"] == "order":
        return OPEN
    if one["kind"] == "account":
        return DONE  # whoever is signed in has one
    if one["kind"] == "birthday":
        return _birthday_state(found, today)
    what = one["kind"] if one["kind"] in rules.SINGLE else f"{one['kind']}-{one['id']}"
    period = rules.period_of(one["per"], today)
    if found.times.get(what, {}).get(period, 0) < one["times"]:
        return OPEN
    return _waiting(rules.next_period(one["per"], today))


def _birthday_state(found: Had, today: date) -> dict[str, Any]:
    if not found.birthday:
        return OPEN
    given = found.birthday_given_on
    first = today if given is None else max(today, given + rules.GIFTS_APART)
    return _waiting(rules.next_birthday(found.birthday, first))


OPEN: dict[str, Any] = {"state": "open", "again_at": None}
DONE: dict[str, Any] = {"state": "done", "again_at": None}


def _waiting(day: date | None) -> dict[str, Any]:
    """Until that day; for ever without one."""
    return DONE if day is None else {"state": "waiting", "again_at": day.isoformat()}


def birthday(found: Had, timezone: str, now: datetime) -> dict[str, Any]:
    """What a shopper is told of their birthday."""
    if not found.birthday:
        return {"month_day": None, "can_edit": True, "editable_from": None}
    view = birthdays.view(found.birthday, found.edited_at, timezone, now)
    again = view.editable_from.isoformat() if view.editable_from else None
    return {"month_day": view.month_day, "can_edit": view.can_edit, "editable_from": again}
