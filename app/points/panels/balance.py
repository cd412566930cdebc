"""A shopper's balance and redemptions as the widget and the extensions get them."""

from typing import Any

from app import rooms
from app.db import Stores
from app.flow.lanes import backlog
from app.points.members import reads
from app.points.panels import offers
from app.points.views import Balance, RedemptionView
from app.resilience import health, reach
from app.resilience.guard import Resource
from app.resilience.reading import Reading
from app.services import way_to

NOBODY = {"available": 0, "pending": 0, "held": 0, "as_of": None, "source": "unavailable"}
ROAD = way_to("points")  # the parts between an order and its points
READS = Resource("storefront reads", room=rooms.STOREFRONT, by_shop=True)


async def balance(stores: Stores, shop: str, customer_id: str) -> Reading[Balance]:
    """The balance, marked as old when a part on an order's way to its points is down or late,
    whatever the cache says, and past the cache when that missed something.
    """
    missed_at = (await health.board(stores.queue)).cache_missed_at
    found = await reads.balance_reading(stores, shop, customer_id, missed_at)
    return await marked(stores, shop, found)


async def marked(stores: Stores, shop: str, reading: Reading[Balance]) -> Reading[Balance]:
    """Old while a part on the way to points is behind, while this shop's own webhooks wait, or
    while the database does not answer: what the cache says then, nobody can compare.
    """
    if reading.value is None or reading.as_of is None:
        return reading
    board = await health.board(stores.queue)
    late = [name for name in ROAD if health.service_notice(board, name) != "healthy"]
    behind_since = (await backlog.remembered(stores, shop)).behind_since
    if not late and behind_since is None and reach.is_database_reached():
        return reading
    caught_up = [board[name].caught_up_at for name in late]
    moments = [at for at in (reading.as_of, behind_since, *caught_up) if at is not None]
    return Reading(reading.value, min(moments), "cached")


def points(reading: Reading[Balance]) -> dict[str, Any]:
    balance = reading.value
    if balance is None:
        return NOBODY
    return {
        "available": balance.available,
        "pending": balance.pending,
        "held": balance.held,
        "as_of": reading.as_of,
        "source": reading.source,
    }


def redemption(view: RedemptionView, **more: str) -> dict[str, Any]:
    return {
        "id": view.id,
        "state": view.state,
        "code": view.code,
        "title": view.title,
        "points": view.points,
        "kind": view.kind,
        "amount_off": str(view.amount_off),
        "percent_off": view.details.percent or None,
        "currency": view.details.currency or None,
        "ends_at": view.ends_at,
        "conditions": offers.conditions(view.details),
        "returned_points": view.returned_points,
        **more,
    }
