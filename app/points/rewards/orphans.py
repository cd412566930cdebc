"""Codes and cards of redemptions of which nothing is known here: the database was put back to a
moment before them, and with it their points.
"""

import re
from collections.abc import Sequence

from app import db
from app.core.made import Made

MARKED = re.compile(r"\(Holdfast ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\)")
KNOWN = "SELECT id::text AS id FROM redemptions WHERE shop = $1 AND id = ANY($2::uuid[])"


async def among(shop: str, made: Sequence[Made]) -> list[Made]:
    """Those of what was made in the shop that a redemption is named in which is not there."""
    named = {found[1]: one for one in made if (found := MARKED.search(one.name))}
    async with db.connection() as conn:
        known = {row["id"] for row in await conn.fetch(KNOWN, shop, list(named))}
    return [one for name, one in named.items() if name not in known]
