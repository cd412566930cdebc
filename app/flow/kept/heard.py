"""What Shopify told of a shop in a time, as it was kept: for whoever compares it with Shopify."""

from collections.abc import AsyncIterator
from datetime import datetime

from app.flow.bus.log import part_of
from app.flow.kept import bodies
from app.flow.lanes import lane
from app.flow.lanes.lane import LaneItem

ROWS_AT_ONCE = 10  # of half a MB at most


async def of_shop(
    shop: str, since: datetime, until: datetime, rows_max: int
) -> AsyncIterator[LaneItem]:
    """The webhooks of the shop that were received in that time and became facts; no more rows of
    them are read than that.
    """
    after = 0
    for _ in range(0, rows_max, ROWS_AT_ONCE):
        rows = await bodies.window(part_of(shop), after, since, until, shop, ROWS_AT_ONCE)
        for row in rows:
            for encoded in row.items:
                item = lane.decode_item(encoded)
                if item.shop == shop:
                    yield item
        if len(rows) < ROWS_AT_ONCE:
            return
        after = rows[-1].id
