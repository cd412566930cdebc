"""The merchant's page about toy."""

from app.toy import reads
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute

from app.web.pages import Page, Visit, admin_page


@admin_page
async def toy(visit: Visit) -> Response:
    return PlainTextResponse(f"{await reads.orders(visit.shop)} paid orders")


routes: list[BaseRoute] = [Page("/toy", toy, "Counted")]
