"""The programme in force of a shop: read for arithmetic in batches, and as pages see it."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from app.points.earning.rules import RATE_UNITS, Terms
from app.points.views import Program

DEFAULT = Terms(0, RATE_UNITS, "down", 0, None, "within_balance", "UTC")
SELECT_TERMS = """
SELECT DISTINCT ON (shop) shop, version, (rate * 10000)::bigint AS rate_units, rounding,
                          pending_days, expiry_days,
       clawback, timezone
  FROM program_versions WHERE shop = ANY($1::text[]) ORDER BY shop, version DESC
"""
SELECT_PROGRAM = """
SELECT shop, version, rate, rounding, pending_days, expiry_days, clawback, timezone, currency,
       edited_by, created_at
  FROM program_versions WHERE shop = $1 ORDER BY version DESC LIMIT 1
"""


async def of_shops(conn: Any, shops: Iterable[str]) -> dict[str, Terms]:
    """The terms of each shop; those that never had a programme earn by the default, as version
    0.
    """
    found = dict.fromkeys(shops, DEFAULT)
    if found:
        for row in await conn.fetch(SELECT_TERMS, list(found)):
            found[row["shop"]] = Terms(*tuple(row)[1:])
    return found


async def program(conn: Any, shop: str) -> Program:
    """The programme in force; writes nothing: a shop without any gets the default as version 0."""
    row = await conn.fetchrow(SELECT_PROGRAM, shop)
    if row is not None:
        return Program(*row)
    return Program(
        shop,
        DEFAULT.version,
        Decimal(1),
        DEFAULT.rounding,
        DEFAULT.pending_days,
        DEFAULT.expiry_days,
        DEFAULT.clawback,
        DEFAULT.timezone,
        "USD",
        "",
        None,
    )
