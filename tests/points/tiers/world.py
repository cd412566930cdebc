"""Tiers for tests: three of them, orders on chosen days, and where somebody stands."""

from datetime import datetime
from typing import Any

from app import db
from app.flow.event import Event
from app.points.tiers import actions, passing, recounting
from app.points.tiers.rules import Scheme, Tier
from tests.points import world
from tests.points.world import ALICE, BOB

MICROS = 1_000_000
BRONZE, SILVER, GOLD = (
    Tier("bronze", "Bronze", 0),
    Tier("silver", "Silver", 100, 12_500),
    Tier("gold", "Gold", 500, 15_000),
)
THREE = [BRONZE, SILVER, GOLD]


async def tiers(shop: str = ALICE, **settings: Any) -> int:
    """Put tiers in force, and place everybody; the version."""
    scheme = Scheme(**{"tiers": THREE, **settings})
    version = await actions.save(shop, scheme, "Alice")
    await placed()
    return version


async def placed() -> None:
    """Let the background come to its end."""
    for _ in range(100):
        if not await recounting.go_on():
            return
    raise AssertionError("placing everybody does not come to an end")


async def pass_time(at: datetime) -> None:
    while await passing.pass_time(at):
        pass


async def began(shop: str, at: datetime) -> None:
    """Let everything that was set up have been so since `at`."""
    async with db.connection() as conn:
        for table in ("tier_versions", "program_versions"):
            await conn.execute(f"UPDATE {table} SET created_at = $2 WHERE shop = $1", shop, at)


def order(order_id: str, amount: str, at: datetime, **more: Any) -> Event:
    """A paid order placed at a moment."""
    one = world.line(amount, line_id=f"line-{order_id}")
    placed_at = at.isoformat()
    return world.paid(order_id, one, **{"processed_at": placed_at, "at": at, **more})


def refund(order_id: str, refund_id: str | None = None, shop: str = ALICE) -> Event:
    lines = {f"line-{order_id}": 1}
    return world.refunded(order_id, refund_id or f"r{order_id}", lines, shop=shop)


async def tier_of(customer: str = BOB, shop: str = ALICE) -> str | None:
    """The tier kept of somebody, None for who has no standing."""
    found: str | None = await world.one(
        "SELECT tier_id FROM tier_standings AS s JOIN members AS m ON m.id = s.member_id "
        "WHERE m.shop = $1 AND m.customer_id = $2",
        shop,
        customer,
    )
    return found


async def changes(customer: str = BOB, shop: str = ALICE) -> list[tuple[str, str, str]]:
    """From where, to where and why somebody moved, in order."""
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT before_id, tier_id, cause FROM tier_changes AS c JOIN members AS m "
            "ON m.id = c.member_id WHERE m.shop = $1 AND m.customer_id = $2 ORDER BY c.id",
            shop,
            customer,
        )
    return [(row["before_id"], row["tier_id"], row["cause"]) for row in rows]


def day(year: int, month: int, number: int, hour: int = 12) -> datetime:
    return datetime(year, month, number, hour, tzinfo=world.now().tzinfo)
