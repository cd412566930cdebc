"""The pages of campaigns, with what other services and Shopify know of what a campaign names."""

import asyncio
from collections.abc import Sequence

from starlette.routing import BaseRoute

from app.campaigns import pages as campaigns_pages
from app.campaigns.views import Known
from app.core import catalog
from app.points.rewards import reads as rewards_reads
from app.points.tiers import reads as tiers_reads
from app.points.ways import reads as ways_reads
from app.web import panels
from app.web.pages import Visit


async def known(visit: Visit, scope: str = "all", ids: Sequence[str] = ()) -> Known:
    """What tiers, segments and ways to earn the shop has, as far as points can say at this moment
    or could last, and which of these products or collections Shopify has.
    """
    shop = visit.shop

    async def tiers() -> dict[str, str]:
        found = await tiers_reads.tiers(shop)
        return {one.tier_id: one.name for one in found.tiers} if found.is_on else {}

    async def segments() -> dict[str, str]:
        return {name: name for name in await rewards_reads.segments(shop)}

    async def ways() -> list[str]:
        return sorted({one.kind for one in await ways_reads.of_shop(shop) if one.is_active})

    async def products() -> dict[str, str] | None:
        client = visit.request.state.client
        return await catalog.titles(visit.stores, client, shop, scope, ids)

    of_tiers, of_segments, of_ways, there = await asyncio.gather(
        panels.read(visit, "points", "names of tiers", tiers, dict[str, str]),
        panels.read(visit, "points", "segments", segments, dict[str, str]),
        panels.read(visit, "points", "ways that are on", ways, list[str]),
        products() if scope != "all" else asyncio.sleep(0),
    )
    return Known(of_tiers.value, of_segments.value, there, of_ways.value)


routes: list[BaseRoute] = campaigns_pages.routes(known)
