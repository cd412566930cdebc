"""The pages of campaigns, with what other services know of tiers and segments."""

from starlette.routing import BaseRoute

from app.campaigns import pages as campaigns_pages
from app.campaigns.views import Known
from app.points.tiers import reads as tiers_reads
from app.web import panels
from app.web.pages import Visit


async def known(visit: Visit) -> Known:
    """What tiers the shop has, as far as points can say at this moment or could last."""

    async def tiers() -> dict[str, str]:
        found = await tiers_reads.tiers(visit.shop)
        return {one.tier_id: one.name for one in found.tiers} if found.is_on else {}

    found = await panels.read(visit, "points", "names of tiers", tiers, dict[str, str])
    return Known(tiers=found.value)


routes: list[BaseRoute] = campaigns_pages.routes(known)
