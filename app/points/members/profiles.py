"""Who is a member: whoever earns, and whoever Shopify tells us of; core knows their names."""

from typing import Any

from app.points.earning.orders import Work
from app.points.facts import Incoming, Key
from app.points.ledger import posting as ledger


def wanted(incoming: Incoming, work: Work) -> list[Key]:
    """Who must be a member for this batch: those it gives points to, and new customers."""
    created = [key for key, one in incoming.profiles.items() if one.is_created]
    return list(dict.fromkeys([*work.customers(incoming), *created]))


def leaving(incoming: Incoming) -> list[Key]:
    """Deleted customers."""
    return sorted(key for key, one in incoming.profiles.items() if one.is_deleted)


async def forget(conn: Any, incoming: Incoming) -> None:
    """Deleted customers who never had points are no members any more. The others' figures stay,
    under a number: what was given and spent does not change. Their rows are locked.
    """
    await ledger.delete_members(conn, leaving(incoming))
