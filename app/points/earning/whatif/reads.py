"""What is known of the answer to a question about a campaign."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from app import db
from app.errors import NotFoundError
from app.own_facts import Campaign, Stacking
from app.points.earning.whatif.replay import DAYS, SIZES, Asked, Shown, top

READ = """
SELECT id, asked, state, since, total, done, found, problem, created_at, ended_at FROM what_ifs
 WHERE shop = $1 AND id = $2
"""
NEWEST = """
SELECT id, asked, state, since, total, done, found, problem, created_at, ended_at FROM what_ifs
 WHERE shop = $1 ORDER BY created_at DESC
"""


class WhatIf(msgspec.Struct, frozen=True):
    """A question and what is known of its answer."""

    id: str
    campaign: Campaign
    stacking: Stacking
    state: str  # waiting | running | done | failed
    since: datetime
    total: int  # orders; 0 while they are not counted yet
    done: int
    problem: str
    orders: int
    hits: int
    customers: int  # who would have gained
    points: int
    days: list[tuple[str, int]]  # every day, the oldest first
    sizes: list[tuple[int, int]]  # where it begins, and how many orders
    top: list[tuple[str, int]]  # customers who would have gained the most
    created_at: datetime
    ended_at: datetime | None

    @property
    def for_window(self) -> int | None:
        """About what it costs in its own window, by what a day of the last ones would have."""
        if self.campaign.ends_at is None:
            return None
        length = self.campaign.ends_at - self.campaign.starts_at
        return round(self.points * (length / timedelta(days=DAYS)))


async def read(shop: str, what_if_id: str) -> WhatIf:
    """Raises NotFoundError."""
    try:
        key = uuid.UUID(what_if_id)
    except ValueError:
        raise NotFoundError("There is no such trial of a campaign.") from None
    async with db.connection() as conn:
        row = await conn.fetchrow(READ, shop, key)
    if row is None:
        raise NotFoundError("There is no such trial of a campaign. It may be too old.")
    return _view(row)


async def newest(shop: str, campaign_id: str) -> WhatIf | None:
    """The newest question about a campaign, in whatever version; None where there is none."""
    async with db.connection() as conn:
        rows = await conn.fetch(NEWEST, shop)
    for row in rows:
        if msgspec.json.decode(row["asked"], type=Asked).campaign.campaign_id == campaign_id:
            return _view(row)
    return None


def _view(row: Any) -> WhatIf:
    asked = msgspec.json.decode(row["asked"], type=Asked)
    found = msgspec.json.decode(row["found"], type=Shown) if row["found"] else Shown()
    first, last = row["since"].date(), (row["ended_at"] or datetime.now(UTC)).date()
    days = {str(first + timedelta(days=one)): 0 for one in range((last - first).days + 1)}
    gained = found.customers
    customers, most = (gained, found.top) if isinstance(gained, int) else (len(gained), top(gained))
    return WhatIf(
        str(row["id"]),
        asked.campaign,
        asked.stacking,
        row["state"],
        row["since"],
        row["total"],
        row["done"],
        row["problem"],
        found.orders,
        found.hits,
        customers,
        found.points,
        sorted((days | found.days).items()),
        list(zip((1, *SIZES), found.sizes, strict=True)),
        most,
        row["created_at"],
        row["ended_at"],
    )
