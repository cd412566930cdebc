"""Links as the widget, the landing page and merchants see them."""

from app import db
from app.db import Row
from app.referrals.views import LinkView

COLUMNS = "id, code, status, advocate_id"
OF_MEMBER = f"""
SELECT {COLUMNS},
       (SELECT count(*) FROM referrals WHERE shop = $1 AND advocate_id = $2 AND verdict <> 'block'
           AND state IN ('claimed', 'ordered')) AS waiting,
       (SELECT count(*) FROM referrals WHERE shop = $1 AND advocate_id = $2
           AND state = 'completed') AS completed
  FROM referral_links WHERE shop = $1 AND advocate_id = $2
 ORDER BY customer_id = advocate_id DESC, id LIMIT 1
"""
BY_CODE = f"SELECT {COLUMNS} FROM referral_links WHERE shop = $1 AND code = $2"


def view(row: Row) -> LinkView:
    return LinkView(row["id"], row["code"] or "", row["status"])


async def of_member(shop: str, customer_id: str) -> LinkView | None:
    """A member's link with what came of it; None for one who never asked for it."""
    async with db.connection() as conn:
        row = await conn.fetchrow(OF_MEMBER, shop, customer_id)
    if row is None:
        return None
    return LinkView(row["id"], row["code"] or "", row["status"], row["waiting"], row["completed"])


async def by_code(shop: str, code: str) -> tuple[LinkView, str] | None:
    """The link of a code and whose it is; None where there is none."""
    async with db.connection() as conn:
        row = await conn.fetchrow(BY_CODE, shop, code)
    return None if row is None else (view(row), row["advocate_id"])
