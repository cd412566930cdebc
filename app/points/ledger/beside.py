"""What stands beside the ledger and must agree with it: grants, and the paid orders of the log."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from app import db
from app.flow.event import Event


class Table(NamedTuple):
    """A table beside the ledger, walked by shop and what is unique in it, for ids have no index."""

    table: str
    key_in_shop: str
    problem: str
    sql: str  # the rows of `page` that are wrong


TABLES = {
    "grants": Table(
        "grants",
        "source",
        "a grant is not in the ledger, or more of it is asked back than it gave",
        """
SELECT page.shop, page.source FROM page
 WHERE page.points <> COALESCE((
           SELECT sum(row.points) FROM ledger AS row
            WHERE row.shop = page.shop AND row.effect = 'earn'
              AND row.source = ANY(page.source || ARRAY(
                  SELECT page.source || ':' || number
                    FROM generate_series(1, page.revision) AS number))), 0)
    OR page.reversed_points NOT BETWEEN 0 AND page.points
    OR page.forgiven NOT BETWEEN 0 AND page.reversed_points
    OR page.unmet NOT BETWEEN 0 AND page.forgiven
    OR page.lapsed < 0
""",
    ),
}
# an order that only its refunds have told of so far has no grant yet
WITHOUT_GRANT = """
SELECT number
  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS paid (shop, order_id, number)
 WHERE NOT EXISTS (SELECT FROM grants
                    WHERE grants.shop = paid.shop AND grants.source = 'order:' || paid.order_id
                      AND grants.outcome <> 'waiting')
"""


class Order(msgspec.Struct):
    """What the audit needs of a paid order."""

    order_id: str


_order = msgspec.json.Decoder(Order)


async def check(
    connection: Any, table: str, shop: str | None, after: str, size: int
) -> tuple[list[str], str | None]:
    """The next `size` rows of one of TABLES, of all shops or of one: problems, and how far it came.

    `after` is what an earlier call came to, "" at the beginning; None comes back at the end.
    """
    what = TABLES[table]
    key = what.key_in_shop
    beyond = f"(shop, {key}) > ($1::text, $2::text) AND ($3::text IS NULL OR shop = $3)"
    since_shop, _, since = after.partition("/") if "/" in after else (shop or "", "", "")
    last = await connection.fetchrow(
        f"SELECT shop, {key} AS key FROM ("
        f"SELECT shop, {key} FROM {what.table} WHERE {beyond} ORDER BY shop, {key} LIMIT $4"
        f") AS page ORDER BY shop DESC, {key} DESC LIMIT 1",
        since_shop,
        since,
        shop,
        size,
    )
    if last is None:
        return [], None
    rows = await connection.fetch(
        f"WITH page AS (SELECT * FROM {what.table}"
        f" WHERE {beyond} AND (shop, {key}) <= ($4::text, $5::text)) {what.sql}",
        since_shop,
        since,
        shop,
        last["shop"],
        last["key"],
    )
    problems = [f"{row['shop']} {row['source'].replace(':', ' ')}: {what.problem}" for row in rows]
    return problems, f"{last['shop']}/{last['key']}"


async def without_grant(paid: Sequence[Event]) -> list[Event]:
    """Those of the `order.paid` facts whose order has no grant; one that is no order has none."""
    orders = [(event, _order_id(event)) for event in paid]
    async with db.connection() as connection:
        rows = await connection.fetch(
            WITHOUT_GRANT,
            [event.shop for event, _ in orders],
            [order_id for _, order_id in orders],
        )
    return [orders[row["number"] - 1][0] for row in rows]


def _order_id(event: Event) -> str:
    try:
        return _order.decode(event.data).order_id
    except msgspec.DecodeError:
        return ""
