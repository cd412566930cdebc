"""Codes of friends of which nothing is known here: the database was put back to a moment before
their claims.

A number may be another claim's by now, so the code itself is looked for.
"""

from collections.abc import Sequence

from app import db
from app.core.made import Made

MARK = "(Holdfast referral "
KNOWN = (
    "SELECT upper(code) AS code FROM referrals WHERE shop = $1 AND upper(code) = ANY($2::text[])"
)


async def among(shop: str, made: Sequence[Made]) -> list[Made]:
    """Those of what was made in the shop that no claim has."""
    named = {one.code.upper(): one for one in made if MARK in one.name and one.code}
    async with db.connection() as conn:
        known = {row["code"] for row in await conn.fetch(KNOWN, shop, list(named))}
    return [one for code, one in named.items() if code not in known]
