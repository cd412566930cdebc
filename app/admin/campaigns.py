"""The pages of campaigns, with what other services know of tiers and segments."""

from starlette.routing import BaseRoute

from app.campaigns import pages as campaigns_pages
from app.campaigns.views import Known
from app.web.pages import Visit


async def known(_visit: Visit) -> Known:
    """What tiers, segments and products the shop has, as far as anybody can say."""
    return Known()


routes: list[BaseRoute] = campaigns_pages.routes(known)
