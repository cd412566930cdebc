"""Advocates, friends and their orders: what the tests of referrals share."""

from datetime import datetime, timedelta
from typing import Any

from app import db
from app.core import handlers as core
from app.db import Stores
from app.flow.event import Event
from app.referrals import handlers
from app.referrals.claims import actions as claims
from app.referrals.claims.actions import Claimed, Typed
from app.referrals.claims.marks import Where
from app.referrals.links import actions as links
from app.referrals.settings import actions as settings
from tests.points.world import ALICE, fact, line, now, one

BOB, CAROL, FRIDA = "7001", "7002", "7101"  # two advocates, and a friend
HERE = Where("203.0.113.7", "Firefox on a desk", "")
THERE = Where("198.51.100.23", "Safari on a phone", "")


async def handle(stores: Stores, *events: Event) -> None:
    """What core and referrals do about facts, each in its own transaction."""
    async with db.transaction() as conn:
        await core.handle(conn, list(events))
    async with db.transaction() as conn:
        await handlers.handle(conn, list(events), stores)


def person(customer_id: str, email: str, name: str = "", at: datetime | None = None) -> Event:
    """A customer that Shopify told of."""
    moment = at or now()
    data = {
        "customer_id": customer_id,
        "name": name,
        "email": email,
        "updated_at": moment.isoformat(),
    }
    return fact("customer.created", data, at=moment)


def order(
    order_id: str, customer: str | None = FRIDA, email: str = "frida@example.com", **more: Any
) -> Event:
    """A paid order of 50.00, unless told otherwise."""
    at = more.pop("at", None) or now()
    amount = more.pop("amount", "50.00")
    data = {
        "order_id": order_id,
        "order_name": f"#{order_id}",
        "customer_id": customer,
        "currency": "USD",
        "processed_at": at.isoformat(),
        "updated_at": at.isoformat(),
        "lines": [line(amount, 1, "l1")],
        "customer": {"id": customer, "name": more.pop("name", "Frida Friend"), "email": email}
        if customer
        else None,
        "email": "" if customer else email,
        **more,
    }
    return fact(more.pop("topic", "order.paid"), data, at=at)


async def offer(**wanted: Any) -> None:
    """Settings in force: a tenth off, 100 points, no hold unless told otherwise."""
    fields = {
        "is_on": True,
        "friend_kind": "percent",
        "friend_value": 10,
        "friend_minimum": 0,
        "order_minimum": 0,
        "code_days": 30,
        "advocate_kind": "points",
        "advocate_points": 100,
        "hold_days": 0,
        "window_days": 30,
        "day_max": 50,
        "month_max": 100,
        "all_max": 1000,
        **wanted,
    }
    await settings.edit(ALICE, fields, "Alice", None)


async def link_of(stores: Stores, customer_id: str = BOB) -> str:
    """The code of a member's link."""
    made = await links.ask(stores, ALICE, customer_id)
    assert made.status == "ready"
    return made.code


async def claim(
    stores: Stores,
    code: str,
    email: str = "frida@example.com",
    where: Where = THERE,
    signed_in_as: str = "",
    at: datetime | None = None,
) -> Claimed:
    return await claims.claim(stores, ALICE, code, Typed(email, where, signed_in_as), at)


async def referral(number: int = 1) -> dict[str, Any]:
    """The row of the so-manieth referral."""
    async with db.connection() as conn:
        row = await conn.fetchrow(
            "SELECT * FROM referrals ORDER BY id OFFSET $1 LIMIT 1", number - 1
        )
    return dict(row)


async def told(topic: str) -> list[dict[str, Any]]:
    """What referrals told the others under a topic."""
    import msgspec

    from app.flow import event as envelope

    async with db.connection() as conn:
        rows = await conn.fetch("SELECT body FROM facts ORDER BY tx, id")
    events = [found for row in rows for found in envelope.unpack(row["body"])]
    return [msgspec.json.decode(found.data) for found in events if found.topic == topic]


def hours_ago(hours: float) -> datetime:
    return now() - timedelta(hours=hours)


__all__ = ["ALICE", "now", "one"]
