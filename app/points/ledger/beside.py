"""What stands beside the ledger and must agree with it: grants, and the paid orders of the log."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from app import db
from app.db import Connection
from app.flow.event import Event


class Table(NamedTuple):
    """A table beside the ledger, walked by shop and what is unique in it, for ids have no index."""

    key_in_shop: str
    problem: str
    # The rows of `page` that are wrong. What is unique in the ledger has the same order: its rows
    # of the same range, `beyond`, are read along its index, once for all.
    sql: str


TABLES = {
    "grants": Table(
        "source",
        "a grant is not in the ledger, or more of it is asked back than it gave",
        """
SELECT page.shop, page.source
  FROM page LEFT JOIN (
       SELECT shop, source, points FROM ledger WHERE {beyond} AND effect = 'earn'
  ) AS first USING (shop, source)
 WHERE page.points <> COALESCE(first.points, 0) + CASE WHEN page.revision = 0 THEN 0 ELSE COALESCE((
           SELECT sum(row.points) FROM ledger AS row
            WHERE row.shop = page.shop AND row.effect = 'earn'
              AND row.source = ANY(ARRAY(
                  SELECT page.source || ':' || number
                    FROM generate_series(1, page.revision) AS number))), 0) END
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


class Page(NamedTuple):
    """A range of a table, by shop and key: what comes after `after`, up to and with `until`."""

    after: tuple[str, str]
    until: tuple[str, str]

    @property
    def place(self) -> str:
        """What to go on from."""
        return "/".join(self.until)


async def pages(
    table: str, shop: str | None, after: str, size: int, most: int, connection: Connection
) -> list[Page]:
    """The next `most` pages, or fewer, of `size` rows each of one of TABLES, of all shops or of
    one; none at its end. `after` is the place of the last one before, "" at the beginning.
    """
    key = TABLES[table].key_in_shop
    since_shop, _, since = after.partition("/") if "/" in after else (shop or "", "", "")
    found: list[Page] = []
    at = (since_shop, since)
    while len(found) < most:
        last = await connection.fetchrow(
            f"SELECT shop, {key} AS key FROM ("
            f"SELECT shop, {key} FROM {table} WHERE {_beyond(key)} ORDER BY shop, {key} LIMIT $4"
            f") AS page ORDER BY shop DESC, {key} DESC LIMIT 1",
            *at,
            shop,
            size,
        )
        if last is None:
            break
        before, at = at, (last["shop"], last["key"])
        found.append(Page(before, at))
    return found


async def check(table: str, shop: str | None, page: Page, connection: Connection) -> list[str]:
    """What is wrong in a page of one of TABLES, of all shops or of one."""
    what = TABLES[table]
    key = what.key_in_shop
    beyond = f"{_beyond(key)} AND (shop, {key}) <= ($4::text, $5::text)"
    rows = await connection.fetch(
        f"WITH page AS (SELECT * FROM {table} WHERE {beyond}) {what.sql.format(beyond=beyond)}",
        *page.after,
        shop,
        *page.until,
    )
    return [f"{row['shop']} {row['source'].replace(':', ' ')}: {what.problem}" for row in rows]


def _beyond(key: str) -> str:
    return f"(shop, {key}) > ($1::text, $2::text) AND ($3::text IS NULL OR shop = $3)"


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
