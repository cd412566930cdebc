"""The merchant's pages about customers: the list, one customer with the ledger, and adjusting a
balance.
"""

import re
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app import calendar, paging
from app.core import reads as core_reads
from app.core.reads import CustomerInfo, CustomerPage
from app.errors import NotFoundError
from app.paging import Cursor, Links
from app.points.ledger import actions
from app.points.members import reads
from app.points.members.lists import TOP_SIZE
from app.points.pages import program as program_pages
from app.points.views import Balance, MemberDetail, MemberList, MemberRow
from app.resilience import reading
from app.resilience.reading import Reading
from app.web import forms, pages, wording
from app.web.forms import Form
from app.web.pages import Visit, admin_page

T = TypeVar("T")
SORTS = frozenset({"recent", "points", "name"})
EFFECTS = {
    "earn": "Earned",
    "release": "Released",
    "hold": "Held for a reward",
    "capture": "Reward given",
    "return": "Given back",
    "reverse": "Taken back",
    "repay": "Debt repaid",
    "expire": "Expired",
    "adjust": "Adjusted by staff",
}
SEARCH_LENGTH_MAX = 100
MORE = "These are the first that were found. Type more to find others."
POINTS_MAX = 1_000_000  # one adjustment; a typing error should not be able to break a programme
REASON_LENGTH_MAX = 500


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of the list: who it is, as core knows, and the figures of points."""

    customer_id: str
    name: str  # empty while core does not know it
    email: str
    is_deleted: bool
    figures: MemberRow | None  # None for a customer who never had points


@dataclass(frozen=True, slots=True)
class CustomerList:
    rows: list[Listed]
    links: Links
    count: str  # how many there are in all, in words
    note: str = ""  # what the list does not show


@dataclass(frozen=True, slots=True)
class Shown:
    """One customer: who, and their points; None for what core or points does not know."""

    info: CustomerInfo | None
    detail: MemberDetail | None


@admin_page
async def customers(visit: Visit) -> Response:
    query = visit.request.query_params
    search = query.get("q", "").replace("\0", "").strip()[:SEARCH_LENGTH_MAX]
    sort = query.get("sort", "recent")
    sort = sort if sort in SORTS else "recent"
    found = await _list(visit, search, sort)
    return pages.render(
        visit,
        "points/customers.html",
        heading="Customers",
        readings=[found],
        found=found.value,
        search=search,
        sort=sort,
    )


async def _list(visit: Visit, search: str, sort: str) -> Reading[CustomerList]:
    """Only the first page of the plain list is kept for bad days: searches would fill the cache
    without end.
    """
    shop, query = visit.shop, visit.request.query_params
    at = paging.cursor(query, 1) or paging.cursor(query, reads.MEMBER_KEYS)
    if not search and at is None:
        key = f"members:{sort}:{shop}"
        return await pages.read(
            visit.stores, key, lambda: _load(visit, search, sort, None), CustomerList
        )

    async def load() -> CustomerList:
        found = await _load(visit, search, sort, at)
        if at is not None and not found.rows:  # an address from before they were gone
            return await _load(visit, search, sort, None)
        return found

    return await _attempted(load)


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


async def _attempted(load: Callable[[], Awaitable[T]]) -> Reading[T]:
    found = await pages.attempt(load)
    return reading.unavailable() if found is None else reading.live(found)


async def _with_figures(
    shop: str, people: CustomerPage, count: str, note: str = ""
) -> CustomerList:
    figures = await reads.figures(shop, [one.customer_id for one in people.customers])
    rows = [
        Listed(one.customer_id, one.name, one.email, one.is_deleted, figures.get(one.customer_id))
        for one in people.customers
    ]
    return CustomerList(rows, people.links, count, note)


async def _with_names(shop: str, found: MemberList, count: str, note: str = "") -> CustomerList:
    """A member core has not heard of yet is shown by number; one who was deleted before ever
    having points, not at all.
    """
    known = await core_reads.customers(shop, [one.customer_id for one in found.members])
    rows = []
    for one in found.members:
        info = known.get(one.customer_id)
        if info is None:
            rows.append(Listed(one.customer_id, "", "", is_deleted=False, figures=one))
        elif not info.is_deleted or one.sequence:
            rows.append(Listed(one.customer_id, info.name, info.email, info.is_deleted, one))
    return CustomerList(rows, found.links, count, note)


def _order_note(found: MemberList, visit: Visit) -> str:
    if not found.is_ready:
        return "The order by points is being made. Please look again in a minute."
    if found.as_of is None:
        return ""
    moment = wording.clock(found.as_of, visit.timezone)
    return f"The {TOP_SIZE:,} customers with the most points, in their order as of {moment}."


@admin_page
async def customer(visit: Visit) -> Response:
    return await _customer(visit, _customer_id(visit))


async def _customer(
    visit: Visit, customer_id: str, form: Form | None = None, *, status: int = 200, toast: str = ""
) -> Response:
    found = await _shown(visit, customer_id)
    day, then, problem = await _then(visit, customer_id)
    if form is None:
        form = Form("adjust-", {"key": str(uuid.uuid4())})
    info = found.value.info if found.value else None
    return pages.render(
        visit,
        "points/customer.html",
        heading=(info.name if info else "") or f"Customer {customer_id}",
        readings=[found],
        status=status,
        toast=toast,
        customer_id=customer_id,
        is_read=found.value is not None,
        info=info,
        detail=found.value.detail if found.value else None,
        effects=EFFECTS,
        form=form,
        day=day,
        then=then,
        then_problem=problem,
        today=datetime.now(calendar.zone(visit.timezone)).date(),
    )


async def _shown(visit: Visit, customer_id: str) -> Reading[Shown]:
    """Raises NotFoundError for somebody neither core nor points knows."""
    shop, query = visit.shop, visit.request.query_params
    at, lots_at = paging.cursor(query, 1), paging.cursor(query, reads.LOT_KEYS, "lots_")

    async def load() -> Shown:
        info = (await core_reads.customers(shop, [customer_id])).get(customer_id)
        try:
            detail = await reads.member(shop, customer_id, at, lots_at)
        except NotFoundError:
            if info is None or info.is_deleted:
                raise
            return Shown(info, None)
        return Shown(info, detail)

    if at is None and lots_at is None:
        return await pages.read(visit.stores, f"member:{shop}:{customer_id}", load, Shown)
    return await _attempted(load)


async def _then(visit: Visit, customer_id: str) -> tuple[str, Balance | None, str]:
    """What the date picker asked for: the day as typed, the balance at its end in the shop's
    zone, what is wrong.
    """
    typed = visit.request.query_params.get("at", "").strip()[:10]
    if not typed:
        return "", None, ""
    try:
        day = date.fromisoformat(typed)
        end = datetime.combine(
            day + timedelta(days=1), time.min, calendar.zone(visit.timezone)
        ).astimezone(UTC)
    except (ValueError, OverflowError):
        return typed, None, "Please give a date, such as 2026-03-31."
    balance = await pages.attempt(
        lambda: reads.balance_as_of(visit.shop, customer_id, end, "effective")
    )
    return typed, balance, "" if balance else "The ledger cannot be read just now."


@admin_page
async def adjust(visit: Visit) -> Response:
    customer_id = _customer_id(visit)
    values = await forms.read_form(visit.request)
    form = Form("adjust-", values, _problems(values))
    if form.problems:
        return await _customer(visit, customer_id, form, status=422)
    points, reason, key = _points(values["points"]), values["reason"], values["key"]
    status = await forms.change(
        form,
        lambda: actions.adjust(
            visit.shop, customer_id, points, reason, key, visit.staff.user_id, visit.stores
        ),
    )
    if status != forms.SAVED:
        return await _customer(visit, customer_id, form, status=status)
    return await _customer(visit, customer_id, toast=f"{points:+,} points saved")


def _problems(values: dict[str, str]) -> dict[str, str]:
    found = {}
    if not _points(values.get("points", "")):
        found["points"] = "Please give a whole number of points, such as 50 or -20."
    elif abs(_points(values["points"])) > POINTS_MAX:
        found["points"] = f"Please stay within {POINTS_MAX:,} points."
    reason = values.get("reason", "")
    if not reason:
        found["reason"] = "Please say why; it stays in the ledger with these points."
    elif len(reason) > REASON_LENGTH_MAX:
        found["reason"] = f"Please keep the reason within {REASON_LENGTH_MAX} characters."
    if not values.get("key"):
        found[""] = "This form is incomplete. Please reload the page."
    return found


def _points(typed: str) -> int:
    """A whole number as people type it; 0 for anything else."""
    plain = typed.replace(
        "\u2212", "-"
    )  # the typographic minus that phones and spreadsheets put in
    return int(plain) if re.fullmatch(r"[+-]?[0-9]{1,12}", plain) else 0


def _customer_id(visit: Visit) -> str:
    customer_id = str(visit.request.path_params["customer_id"])
    if not re.fullmatch(r"[0-9]{1,20}", customer_id):
        raise NotFoundError("There is no such customer in this shop.")
    return customer_id


routes: list[BaseRoute] = [
    Route("/customers", customers, name="customers"),
    Route("/customers/{customer_id}", customer, name="customer"),
    Route("/customers/{customer_id}/adjust", adjust, methods=["POST"]),
    *program_pages.routes,
]
