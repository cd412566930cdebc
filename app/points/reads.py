"""What pages may ask of points; every read takes the shop first and sees nothing of any other shop."""

from datetime import UTC, datetime
from decimal import Decimal

from app import db
from app.points.views import Balance, MemberDetail, MemberPage, Overview, Program, RedemptionView, RewardView

PAGE_SIZE = 50
DEFAULTS = {"rate": Decimal(1), "rounding": "down", "pending_days": 0, "expiry_days": None, "clawback": "within_balance"}


async def balance(shop: str, customer_id: str) -> Balance:
    """The balance now; zeros with sequence 0 for a customer who is no member yet."""
    async with db.connection() as conn:
        row = await conn.fetchrow(
            "SELECT available, pending, held, debt, sequence FROM members WHERE shop = $1 AND customer_id = $2",
            shop,
            customer_id,
        )
    figures = tuple(row) if row else (0, 0, 0, 0, 0)
    return Balance(customer_id, *figures, as_of=datetime.now(UTC))


async def program(shop: str) -> Program:
    """The rules in force; writes nothing: a shop without any gets the defaults as version 0."""
    raise NotImplementedError


async def rewards(shop: str, active_only: bool = False) -> list[RewardView]:
    """The shop's rewards, the cheapest first."""
    raise NotImplementedError


async def redemptions(shop: str, customer_id: str) -> list[RedemptionView]:
    """The newest 20 redemptions of this customer."""
    raise NotImplementedError


async def members(shop: str, search: str = "", sort: str = "recent", page: int = 1) -> MemberPage:
    """One page of members; `search` in name, email or customer id; sort: recent | points | name."""
    raise NotImplementedError


async def member(shop: str, customer_id: str) -> MemberDetail:
    """All there is to see of a member. Raises NotFoundError."""
    raise NotImplementedError


async def overview(shop: str, days: int = 30) -> Overview:
    """The figures of the home page."""
    raise NotImplementedError


async def balance_as_of(shop: str, customer_id: str, at: datetime, by: str = "recorded") -> Balance:
    """The balance as it was at `at`, by when rows were recorded, or by when they took effect (`effective`)."""
    raise NotImplementedError
