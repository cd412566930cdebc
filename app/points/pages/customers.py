"""The merchant's pages about customers: the list, one customer with the ledger, and adjusting a
balance.
"""

import re
import uuid
from datetime import UTC, date, datetime, time, timedelta

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app import calendar
from app.errors import NotFoundError
from app.points.ledger import actions
from app.points.members import reads
from app.points.pages import program as program_pages
from app.points.views import Balance, MemberDetail, MemberPage
from app.resilience import reading
from app.resilience.reading import Reading
from app.web import forms, pages
from app.web.forms import Form
from app.web.pages import Visit, admin_page

SORTS = {"recent": "Newest activity", "points": "Most points", "name": "Name"}
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
POINTS_MAX = 1_000_000  # one adjustment; a typing error should not be able to break a programme
REASON_LENGTH_MAX = 500


@admin_page
async def customers(visit: Visit) -> Response:
    query = visit.request.query_params
    search = query.get("q", "").replace("\0", "").strip()[:SEARCH_LENGTH_MAX]
    sort = query.get("sort", "recent")
    sort = sort if sort in SORTS else "recent"
    found = await _members(visit, search, sort, pages.page_number(visit.request))
    return pages.render(
        visit,
        "points/customers.html",
        heading="Customers",
        readings=[found],
        found=found.value,
        search=search,
        sort=sort,
        sorts=SORTS,
    )


async def _members(visit: Visit, search: str, sort: str, page: int) -> Reading[MemberPage]:
    """Only the first page of the plain list is kept for bad days: searches would fill the cache
    without end.
    """

    async def load() -> MemberPage:
        return await reads.members(visit.shop, search, sort, page)

    if search == "" and page == 1:
        return await pages.read(visit.stores, f"members:{sort}:{visit.shop}", load, MemberPage)
    found = await pages.attempt(load)
    return reading.unavailable() if found is None else reading.live(found)


@admin_page
async def customer(visit: Visit) -> Response:
    return await _customer(visit, _customer_id(visit))


async def _customer(
    visit: Visit, customer_id: str, form: Form | None = None, *, status: int = 200, toast: str = ""
) -> Response:
    detail = await pages.read(
        visit.stores,
        f"member:{visit.shop}:{customer_id}",
        lambda: reads.member(visit.shop, customer_id),
        MemberDetail,
    )
    day, then, problem = await _then(visit, customer_id)
    if form is None:
        form = Form("adjust-", {"key": str(uuid.uuid4())})
    found = detail.value
    return pages.render(
        visit,
        "points/customer.html",
        heading=(found.member.name if found else "") or f"Customer {customer_id}",
        readings=[detail],
        status=status,
        toast=toast,
        customer_id=customer_id,
        detail=found,
        effects=EFFECTS,
        form=form,
        day=day,
        then=then,
        then_problem=problem,
        today=datetime.now(calendar.zone(visit.timezone)).date(),
    )


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
