"""The merchant's page about toy."""

from app.toy import reads
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from app.web.pages import Visit, admin_page


@admin_page
async def toy(visit: Visit) -> Response:
    return PlainTextResponse(f"{await reads.orders(visit.shop)} paid orders")


routes: list[BaseRoute] = [Route("/toy", toy, name="toy")]
