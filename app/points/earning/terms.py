"""The programme in force of a shop: read for arithmetic in batches, and as pages see it."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from app.db import Connection, Row
from app.points.earning.rules import RATE_UNITS, Terms
from app.points.ledger.accounts import Key
from app.points.views import Program

DEFAULT = Terms(0, RATE_UNITS, "down", 0, None, "within_balance", "UTC")
_COLUMNS = """
version, (rate * 10000)::bigint AS rate_units, rounding, pending_days, expiry_days, clawback,
timezone, returns, created_at AS since, state, order_terms
"""
# the newest version of `wanted.shop`; columns without values for a shop that never had any
SELECT_TERMS = f"""
SELECT wanted.shop, terms.*, COALESCE(copy.id, 0) AS newest_copy, copy.learned_at AS copied_at
  FROM unnest($1::text[]) AS wanted (shop)
  LEFT JOIN LATERAL (SELECT id, learned_at FROM campaign_copies
                      WHERE campaign_copies.shop = wanted.shop
                      ORDER BY id DESC LIMIT 1) AS copy ON TRUE
  LEFT JOIN LATERAL (SELECT {_COLUMNS} FROM program_versions
                      WHERE program_versions.shop = wanted.shop
                      ORDER BY version DESC LIMIT 1) AS terms ON TRUE
"""
# the version in force at a moment; the first one also was before there was any
SELECT_EARLIER = f"""
SELECT wanted.shop, wanted.number, terms.*, 0::bigint AS newest_copy,
       NULL::timestamptz AS copied_at
  FROM unnest($1::text[], $2::timestamptz[]) WITH ORDINALITY AS wanted (shop, at, number)
 CROSS JOIN LATERAL (SELECT {_COLUMNS} FROM program_versions
                      WHERE program_versions.shop = wanted.shop
                      ORDER BY created_at <= wanted.at DESC,
                               CASE WHEN created_at <= wanted.at THEN -version ELSE version END
                      LIMIT 1) AS terms
"""
SELECT_PROGRAM = """
SELECT shop, version, rate, rounding, pending_days, expiry_days, clawback, timezone, currency,
       state, edited_by, created_at, returns, order_terms
  FROM program_versions WHERE shop = $1 ORDER BY version DESC LIMIT 1
"""


async def of_shops(conn: Connection, shops: Iterable[str]) -> dict[str, Terms]:
    """The terms of each shop."""
    rows = await conn.fetch(SELECT_TERMS, list(shops))
    return {row["shop"]: from_row(row) for row in rows}


async def at(
    conn: Connection, newest: Mapping[str, Terms], wanted: Mapping[Key, datetime | None]
) -> dict[Key, Terms]:
    """The terms in force at a moment, by the keys of those for which they are not the newest ones
    of their shop: nearly always none, and then nothing is asked.
    """
    before = []
    for key, told in wanted.items():
        latest = newest[key[0]]
        # Shopify tells moments by the second, and a version of that second counts
        is_whole = told is not None and not told.microsecond
        moment = told.replace(microsecond=999_999) if told and is_whole else told
        if moment and latest.version > 1 and latest.since and moment < latest.since:
            before.append((key, moment))
    if not before:
        return {}
    rows = await conn.fetch(
        SELECT_EARLIER, [shop for (shop, _), _ in before], [moment for _, moment in before]
    )
    return {before[row["number"] - 1][0]: from_row(row) for row in rows}


def from_row(row: Row) -> Terms:
    """The Terms of a row; shops that never had a programme earn by the default, as
    version 0.
    """
    if row["version"] is None:
        names = ("newest_copy", "copied_at")
        return DEFAULT._replace(**{name: row[name] for name in names})
    return Terms(*(row[name] for name in Terms._fields))


async def program(conn: Connection, shop: str) -> Program:
    """The programme in force; writes nothing: a shop without any gets the default as version 0."""
    row = await conn.fetchrow(SELECT_PROGRAM, shop)
    if row is not None:
        return Program(**row)
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
        DEFAULT.state,
        "",
        None,
    )
