"""The merchant's page about what was corrected: which orders, from what to what, when and why."""

from dataclasses import dataclass

from starlette.responses import Response
from starlette.routing import BaseRoute

from app import paging
from app.core import reads as core_reads
from app.paging import Links
from app.points.corrections import reads
from app.points.views import CorrectionView
from app.web import pages
from app.web.pages import Page, Visit, admin_page


@dataclass(frozen=True, slots=True)
class Listed:
    """A correction, and what core calls its customer; empty while it does not know."""

    correction: CorrectionView
    name: str


@dataclass(frozen=True, slots=True)
class Corrections:
    rows: list[Listed]
    links: Links


@admin_page
async def corrections(visit: Visit) -> Response:
    at = paging.cursor(visit.request.query_params, reads.KEYS)

    async def load() -> Corrections:
        found = await reads.newest(visit.shop, at)
        ids = {one.customer_id for one in found.corrections}
        known = await core_reads.customers(visit.shop, ids)
        rows = [
            Listed(one, known[one.customer_id].name if one.customer_id in known else "")
            for one in found.corrections
        ]
        return Corrections(rows, found.links)

    if at is None:
        found = await pages.read(
            visit.stores, f"corrections:{visit.shop}", load, Corrections, may_be_old=True
        )
    else:
        found = await pages.attempted(load, may_be_old=True)
    return pages.render(
        visit,
        "points/corrections.html",
        heading="Corrections",
        readings=[found],
        found=found.value,
    )


routes: list[BaseRoute] = [Page("/corrections", corrections, "Corrections")]
