"""What operators and their machines ask: how it is, and figures."""

from starlette.routing import BaseRoute

from app.operations import probes, scrape

routes: list[BaseRoute] = [*probes.routes, *scrape.routes]
