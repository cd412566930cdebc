"""The second half of a redemption: points already held, a discount code made at Shopify, then captured or released."""

import httpx

from app.db import Stores
from app.points.views import RedemptionView


async def complete(stores: Stores, client: httpx.AsyncClient, redemption_id: str) -> RedemptionView:
    """Bring one held redemption on: captured with its code, released with a reason, or still held."""
    raise NotImplementedError
