"""The merchant's page about one customer: every movement of their points, and adjusting them."""

import re
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app import calendar, paging
from app.core import reads as core_reads
from app.core.reads import CustomerInfo
from app.errors import NotFoundError
from app.points.ledger import actions
from app.points.members import reads
from app.points.pages import conflicts, listing, redemptions
from app.points.pages import program as program_pages
from app.points.views import Balance, MemberDetail
from app.resilience.reading import Reading
from app.web import forms, pages
from app.web.forms import Form
from app.web.pages import Visit, admin_page

T = TypeVar("T")
EFFECTS = {
    "earn": "Earned",
    "release": "Released",
    "hold": "Held for a reward",
    "capture": "Reward given",
    "return": "Given back",
    "cancel": "Code cancelled",
    "reverse": "Taken back",
    "repay": "Debt repaid",
    "expire": "Expired",
    "adjust": "Adjusted by staff",
}
POINTS_MAX = 1_000_000  # one adjustment; a typing error should not be able to break a programme
REASON_LENGTH_MAX = 500


@dataclass(frozen=True, slots=True)
class Shown:
    """One customer: who, and their points; None for what core or points does not know."""

    info: CustomerInfo | None
    detail: MemberDetail | None


@admin_page
async def customer(visit: Visit) -> Response:
    return await _customer(visit, _customer_id(visit))


async def _customer(
    visit: Visit, customer_id: str, form: Form | None = None, *, status: int = 200, toast: str = ""
) -> Response:
    found = await _shown(visit, customer_id)
    day, then, problem = await _then(visit, customer_id)
    if form is None:
        seen = found.value.detail.member.sequence if found.value and found.value.detail else ""
        form = Form("adjust-", {"key": str(uuid.uuid4()), "version": str(seen)})
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
    return await pages.attempted(load)


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
    name = await pages.name_of(visit)

    async def save() -> None:
        try:
            await actions.adjust(
                visit.shop,
                customer_id,
                points,
                reason,
                key,
                visit.staff.user_id,
                visit.stores,
                name=name,
                seen_sequence=conflicts.seen(values),
            )
        except actions.StaleAdjustmentError as error:
            theirs = f"{error.points:+,} by {error.name}: {error.reason}"
            form.conflict = [("Adjustment", theirs, f"{points:+,}: {reason}")]
            form.values = {**values, "version": str(error.sequence)}
            raise

    status = await forms.change(form, save)
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
    Route("/customers", listing.customers, name="customers"),
    Route("/customers/{customer_id}", customer, name="customer"),
    Route("/customers/{customer_id}/adjust", adjust, methods=["POST"]),
    *redemptions.routes(_customer_id, _customer),
    *program_pages.routes,
]
