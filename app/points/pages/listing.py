"""The merchant's list of customers: who they are, as core knows, with the figures of points."""

from dataclasses import dataclass
from datetime import datetime

from starlette.responses import Response

from app import paging
from app.core import reads as core_reads
from app.core.reads import CustomerInfo, CustomerPage
from app.paging import Cursor, Links
from app.points.members import reads
from app.points.members.lists import TOP_SIZE
from app.points.pages import filtering
from app.points.pages.filtering import Filtering
from app.points.views import MemberList, MemberRow
from app.resilience.reading import Reading
from app.web import pages, wording
from app.web.forms import Form
from app.web.pages import Visit, admin_page

SORTS = frozenset({"recent", "points", "name"})
SEARCH_LENGTH_MAX = 100
MORE = "These are the first that were found. Type more to find others."


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of the list: who it is, as core knows, and the figures of points."""

    customer_id: str
    name: str  # empty while core does not know it
    email: str
    is_deleted: bool
    figures: MemberRow | None  # None for a customer who never had points
    last_order_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CustomerList:
    rows: list[Listed]
    links: Links
    count: str  # how many there are in all, in words
    note: str = ""  # what the list does not show


@admin_page
async def customers(visit: Visit) -> Response:
    query = visit.request.query_params
    chosen = filtering.customers(query, visit.timezone)
    search = query.get("q", "").replace("\0", "").strip()[:SEARCH_LENGTH_MAX]
    sort = query.get("sort", "recent")
    sort = sort if sort in SORTS else "recent"
    found = await _list(visit, search, sort, chosen)
    return pages.render(
        visit,
        "points/customers.html",
        heading="Customers",
        readings=[found],
        found=found.value,
        search=search,
        sort=sort,
        chosen=Form("filter-", chosen.typed, chosen.problems),
        is_chosen=not chosen.wanted.is_everybody and not search,
        words=chosen.words,
    )


async def _list(visit: Visit, search: str, sort: str, chosen: Filtering) -> Reading[CustomerList]:
    """Only the first page of the plain list is kept for bad days: searches would fill the cache
    without end.
    """
    shop, query = visit.shop, visit.request.query_params
    at = paging.cursor(query, 1) or paging.cursor(query, reads.MEMBER_KEYS)
    if not search and not chosen.wanted.is_everybody:
        double = at if at and len(at.keys) == reads.MEMBER_KEYS else None
        return await pages.attempted(lambda: _chosen(shop, chosen, double), may_be_old=True)
    if not search and at is None:
        key = f"members:{sort}:{shop}"
        return await pages.read(
            visit.stores,
            key,
            lambda: _load(visit, search, sort, None),
            CustomerList,
            may_be_old=True,
        )

    async def load() -> CustomerList:
        found = await _load(visit, search, sort, at)
        if at is not None and not found.rows:  # an address from before they were gone
            return await _load(visit, search, sort, None)
        return found

    return await pages.attempted(load, may_be_old=True)


async def _load(visit: Visit, search: str, sort: str, at: Cursor | None) -> CustomerList:
    shop = visit.shop
    single = at if at and len(at.keys) == 1 else None
    double = at if at and len(at.keys) == reads.MEMBER_KEYS else None
    if search:
        people = await core_reads.find_customers(shop, search, reads.PAGE_SIZE, single)
        count = f"{people.total:,}{'+' if people.is_more else ''} found"
        return await _with_figures(shop, people, count, MORE if people.is_more else "")
    number, _ = await reads.totals_of(shop)
    count = "1 customer" if number == 1 else f"{number:,} customers"
    if sort == "name":
        people = await core_reads.customers_by_name(shop, reads.PAGE_SIZE, single)
        return await _with_figures(shop, people, count)
    if sort == "points":
        by_points = await reads.members_by_points(shop, at)
        return await _with_names(shop, by_points, count, _order_note(by_points, visit))
    return await _with_names(shop, await reads.newest_members(shop, double), count)


async def _chosen(shop: str, chosen: Filtering, at: Cursor | None) -> CustomerList:
    """Those the merchant asks for; where a page could not be filled, how far was looked."""
    found = await reads.wanted_members(shop, chosen.wanted, at)
    figures = dict(found.rows)
    known = await core_reads.customers(shop, figures)
    last = await core_reads.last_orders(shop, figures)
    rows = [
        _listed(one, known.get(one), row, last.get(one))
        for one, row in found.rows
        if row is not None or not (one in known and known[one].is_deleted)
    ]
    way = "latest order first" if chosen.wanted.is_by_order else "newest member first"
    note = f"Customers {chosen.words}; {way}."
    if found.looked_through:
        note += f" {found.looked_through:,} customers were looked through; the next page goes on."
    return CustomerList(rows, found.links, "", note)


async def _with_figures(
    shop: str, people: CustomerPage, count: str, note: str = ""
) -> CustomerList:
    ids = [one.customer_id for one in people.customers]
    figures = await reads.figures(shop, ids)
    last = await core_reads.last_orders(shop, ids)
    rows = [
        _listed(one.customer_id, one, figures.get(one.customer_id), last.get(one.customer_id))
        for one in people.customers
    ]
    return CustomerList(rows, people.links, count, note)


async def _with_names(shop: str, found: MemberList, count: str, note: str = "") -> CustomerList:
    """A member core has not heard of yet is shown by number; one who was deleted before ever
    having points, not at all.
    """
    ids = [one.customer_id for one in found.members]
    known = await core_reads.customers(shop, ids)
    last = await core_reads.last_orders(shop, ids)
    rows = []
    for one in found.members:
        info = known.get(one.customer_id)
        if info is None or not info.is_deleted or one.sequence:
            rows.append(_listed(one.customer_id, info, one, last.get(one.customer_id)))
    return CustomerList(rows, found.links, count, note)


def _listed(
    customer_id: str,
    info: CustomerInfo | None,
    figures: MemberRow | None,
    last_order_at: datetime | None,
) -> Listed:
    if info is None:
        return Listed(customer_id, "", "", is_deleted=False, figures=figures)
    return Listed(customer_id, info.name, info.email, info.is_deleted, figures, last_order_at)


def _order_note(found: MemberList, visit: Visit) -> str:
    if not found.is_ready:
        return "The order by points is being made. Please look again in a minute."
    if found.as_of is None:
        return ""
    moment = wording.clock(found.as_of, visit.timezone)
    return f"The {TOP_SIZE:,} customers with the most points, in their order as of {moment}."
