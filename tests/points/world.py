"""Facts as the road delivers them, and handling them: what the tests of points share."""

import asyncio
import uuid
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from app import db, rooms
from app.core import handlers as core
from app.flow import event as envelope
from app.flow.event import Event
from app.points import handlers
from app.points.earning import actions as earning
from app.points.members import reads
from app.points.rewards.actions import BusyMemberError

ALICE = "alice.myshopify.com"
BOB = "7001"
ASKED_AGAIN_MAX = 5
INSERT_PROGRAM = """
INSERT INTO program_versions (shop, version, rate, rounding, pending_days, expiry_days, clawback,
                              timezone, currency,
                              state, edited_by, returns, created_at)
SELECT $1::text, COALESCE(max(version), 0) + 1, $2::text::numeric, $3, $4, $5, $6, $7, 'USD',
       $8, 'test', $9, now()
  FROM program_versions WHERE shop = $1::text
"""


def now() -> datetime:
    return datetime.now(UTC)


def line(
    amount: str, quantity: int = 1, line_id: str | None = None, gift_card: bool = False
) -> dict[str, Any]:
    return {
        "line_id": line_id or f"l{uuid.uuid4().hex[:10]}",
        "quantity": quantity,
        "amount": amount,
        "gift_card": gift_card,
    }


def fact(topic: str, data: dict[str, Any], shop: str = ALICE, at: datetime | None = None) -> Event:
    return envelope.new(
        topic, shop, shop, data, trace="trace-1", occurred_at=(at or now()).isoformat()
    )


def paid(
    order_id: str,
    *lines: dict[str, Any],
    customer: str | None = BOB,
    shop: str = ALICE,
    **more: Any,
) -> Event:
    at = more.pop("at", None) or now()
    data = {
        "order_id": order_id,
        "order_name": f"#{order_id}",
        "customer_id": customer,
        "test": False,
        "currency": "USD",
        "processed_at": at.isoformat(),
        "lines": list(lines),
        "customer": {"id": customer, "name": "Bob Buyer", "email": "bob@example.com"}
        if customer
        else None,
        **more,
    }
    return fact("order.paid", data, shop, at)


def refunded(
    order_id: str,
    refund_id: str,
    lines: dict[str, int] | None = None,
    amount: str = "0",
    shop: str = ALICE,
) -> Event:
    data = {
        "order_id": order_id,
        "refund_id": refund_id,
        "lines": [
            {"line_id": name, "quantity": quantity} for name, quantity in (lines or {}).items()
        ],
        "adjustment": f"-{amount}",
    }
    return fact("order.refunded", data, shop)


def cancelled(order_id: str, shop: str = ALICE) -> Event:
    return fact("order.cancelled", {"order_id": order_id, "cancelled_at": now().isoformat()}, shop)


async def bob_has(points: int) -> str:
    """Bob with that many points, and the id of the reward of 100."""
    await earning.ensure_program(ALICE, "USD", "UTC")
    await handle(paid("1", line(f"{points}.00")))
    return await reward_of_100()


async def reward_of_100() -> str:
    return next(reward.id for reward in await reads.rewards(ALICE) if reward.cost == 100)


async def handle(*events: Event) -> None:
    """Both services that read facts about orders and customers, each in its own transaction, and
    again where two got in each other's way, as the road does.
    """
    for of_service in (handlers.handle, core.handle):
        for tries_left in reversed(range(ASKED_AGAIN_MAX)):
            try:
                async with db.transaction() as conn:
                    await of_service(conn, list(events))
                break
            except asyncpg.TransactionRollbackError:
                if not tries_left:
                    raise


async def crowd(
    *calls: Callable[[], Coroutine[Any, Any, Any]], return_exceptions: bool = False
) -> list[Any]:
    """All of them as soon as they can, as many at once as a room has connections; the guard does
    that for those who come through the web. Whoever waited too long for a row asks again, as they
    are told to: on a slow machine that is somebody's lot, and says nothing of what is tried here.
    """
    seats = asyncio.Semaphore(rooms.WORK.connections)

    async def seated(call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        for _ in range(ASKED_AGAIN_MAX):
            async with seats:
                with suppress(BusyMemberError, asyncpg.LockNotAvailableError):
                    return await call()
        return await call()

    return await asyncio.gather(*map(seated, calls), return_exceptions=return_exceptions)


async def one(sql: str, *arguments: Any) -> Any:
    async with db.connection() as conn:
        return await conn.fetchval(sql, *arguments)


async def figures(customer: str = BOB, shop: str = ALICE) -> dict[str, int]:
    async with db.connection() as conn:
        row = await conn.fetchrow(
            "SELECT * FROM members WHERE shop = $1 AND customer_id = $2", shop, customer
        )
    names = ("pending", "available", "held", "spent", "expired", "reversed", "debt")
    return {name: row[name] for name in names if row[name]} if row else {}


async def program(shop: str = ALICE, **fields: Any) -> None:
    """Put rules in force directly: version by version, as `actions.edit_program` does."""
    values = {
        "rate": 1,
        "rounding": "down",
        "pending_days": 0,
        "expiry_days": None,
        "clawback": "within_balance",
        "timezone": "UTC",
        "state": "live",
        "returns": "goods",
        **fields,
    }
    async with db.transaction() as conn:
        await conn.execute(
            INSERT_PROGRAM,
            shop,
            str(values["rate"]),
            values["rounding"],
            values["pending_days"],
            values["expiry_days"],
            values["clawback"],
            values["timezone"],
            values["state"],
            values["returns"],
        )


def days_ago(days: float) -> datetime:
    return now() - timedelta(days=days)
