"""Who is a member: whoever earns, and whoever Shopify tells us of; core knows their names."""

from collections.abc import Iterable

from app.db import Connection
from app.points.earning import memberships
from app.points.facts import Incoming
from app.points.ledger import accounts, totals
from app.points.ledger.accounts import Key
from app.writes import Writes


def wanted(incoming: Incoming, earning: Iterable[Key]) -> list[Key]:
    """Who must be a member for this batch: those it gives points to, and new customers."""
    created = [key for key, one in incoming.profiles.items() if one.is_created]
    return list(dict.fromkeys([*earning, *created]))


def leaving(incoming: Incoming) -> list[Key]:
    """Deleted customers."""
    return sorted(key for key, one in incoming.profiles.items() if one.is_deleted)


async def forget(conn: Connection, incoming: Incoming) -> None:
    """Deleted customers who never had points are no members any more. The others' figures stay,
    under a number: what was given and spent does not change. Their rows are locked.
    """
    if gone := leaving(incoming):
        left = await accounts.delete(conn, gone)
        writes = Writes()
        totals.add(writes, (), {shop: -count for shop, count in left.items()})
        await writes.send(conn)
        await memberships.forget(conn, gone)
