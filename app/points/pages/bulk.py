"""The merchant's page that changes the points of many customers at once, and how far that is."""

import uuid
from dataclasses import dataclass

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.points.ledger import bulk
from app.points.members import reads
from app.points.pages import adjusting, filtering
from app.points.views import BulkView
from app.web import forms, pages
from app.web.forms import Form
from app.web.pages import Visit, admin_page


@dataclass(frozen=True, slots=True)
class Shown:
    """A change as the page shows it."""

    it: BulkView
    state: str
    tone: str
    text: str


@admin_page
async def page(visit: Visit) -> Response:
    return await _page(visit)


async def _page(
    visit: Visit, form: Form | None = None, *, status: int = 200, toast: str = ""
) -> Response:
    changes = await pages.read(
        visit.stores,
        f"bulk:{visit.shop}",
        lambda: reads.bulk_adjustments(visit.shop),
        list[BulkView],
    )
    query = visit.request.query_params
    typed = form.values if form else query
    chosen = filtering.customers(typed, visit.timezone)
    return pages.render(
        visit,
        "points/bulk.html",
        heading="Change many balances",
        readings=[changes],
        status=status,
        toast=toast,
        chosen=chosen,
        customers_max=bulk.CUSTOMERS_MAX,
        form=form or Form("bulk-", {"key": str(uuid.uuid4())}),
        changes=None if changes.value is None else [_shown(one) for one in changes.value],
        is_busy=any(one.ended_at is None for one in changes.value or []),
    )


@admin_page
async def ask(visit: Visit) -> Response:
    values = await forms.read_form(visit.request)
    chosen = filtering.customers(values, visit.timezone)
    form = Form("bulk-", values, adjusting.problems(values))
    if chosen.problems:  # typed on the page before this one, which says it beside the field
        form.problems[""] = " ".join(dict.fromkeys(chosen.problems.values()))
    if form.problems:
        return await _page(visit, form, status=422)
    points, reason, key = adjusting.points(values["points"]), values["reason"], values["key"]
    status = await forms.change(
        form,
        lambda: bulk.ask(visit.shop, chosen.wanted, points, reason, key, visit.staff.user_id),
    )
    if status != forms.SAVED:
        return await _page(visit, form, status=status)
    return await _page(visit, toast="Saved. It goes on by itself; you can leave this page")


def _shown(one: BulkView) -> Shown:
    left = one.place - one.done
    passed_over = f" {left:,} were passed over: on hold, or fewer points than that." if left else ""
    if one.state == "choosing":
        return Shown(one, "Choosing", "info", f"{one.total:,} customers so far.")
    if one.state == "changing":
        text = f"{one.place:,} of {one.total:,} customers.{passed_over}"
        return Shown(one, "Under way", "info", text)
    if one.state == "too_many":
        text = (
            f"More than {bulk.CUSTOMERS_MAX:,} customers match, so nobody's points were changed. "
            "Please choose fewer."
        )
        return Shown(one, "Not done", "warning", text)
    if not one.total:
        return Shown(one, "Done", "neutral", "No customer matched.")
    return Shown(one, "Done", "success", f"{one.done:,} of {one.total:,} customers.{passed_over}")


routes: list[BaseRoute] = [
    Route("/customers/bulk", page, name="bulk"),
    Route("/customers/bulk", ask, methods=["POST"]),
]
