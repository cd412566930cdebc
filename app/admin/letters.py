"""What was set aside, for the merchant: one reason at a time, tried again or dismissed with a
note.
"""

import re
from collections.abc import Awaitable
from typing import Protocol

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.errors import NotFoundError
from app.flow import dead_letters, set_aside
from app.web import forms, pages
from app.web.forms import Form
from app.web.pages import Visit, admin_page

TRIED_AGAIN = "It is being tried again now"
NO_SUCH = "There is no such message in this shop."
# what Shopify and the services call them, as merchants do
SUBJECTS = {
    "orders": "Order",
    "order": "Order",
    "refunds": "Refund",
    "customers": "Customer",
    "customer": "Customer",
    "shop": "Store settings",
    "app": "Installation",
}


class Show(Protocol):
    """The page that all of this is on."""

    def __call__(
        self, visit: Visit, *, toast: str = "", status: int = 200
    ) -> Awaitable[Response]: ...


def subjects(topic: str) -> str:
    """What a message was about: `orders/paid` → "Order: paid"."""
    kind, _, act = topic.replace(".", "/").partition("/")
    words = act.replace("_", " ").strip() or kind
    return f"{SUBJECTS.get(kind, kind.replace('_', ' ').capitalize())}: {words}"


def routes(show: Show) -> list[BaseRoute]:
    """The group of a letter, and what is done with letters; `show` answers with the page."""

    @admin_page
    async def replay(visit: Visit) -> Response:
        """Try one letter of this shop again, those alike, or all of them."""
        form = Form("replay-")
        letter_id = visit.request.path_params.get("letter_id")
        if letter_id is None:
            status = await forms.change(form, lambda: dead_letters.replay_all(visit.shop))
        else:
            number = _number(letter_id)
            try_again = set_aside.replay_alike if _is_group(visit) else dead_letters.replay
            status = await forms.change(form, lambda: try_again(visit.shop, number))
        return await show(visit, toast=form.problems.get("", TRIED_AGAIN), status=status)

    return [
        Route("/health/set-aside/{letter_id}", group),
        Route("/health/replay", replay, methods=["POST"]),
        Route("/health/replay/{letter_id}", replay, methods=["POST"]),
        Route("/health/replay-alike/{letter_id}", replay, methods=["POST"]),
        Route("/health/dismiss-alike/{letter_id}", dismiss, methods=["POST"]),
    ]


@admin_page
async def group(visit: Visit) -> Response:
    return await _group(visit, _number(visit.request.path_params["letter_id"]))


@admin_page
async def dismiss(visit: Visit) -> Response:
    """Put letters away: nothing needs to be done about them, and the note says why."""
    number = _number(visit.request.path_params["letter_id"])
    values = await forms.read_form(visit.request)
    note = values.get("note", "")
    problem = set_aside.note_problem(note)
    form = Form("dismiss-", values, {"note": problem} if problem else {})
    if problem:
        return await _group(visit, number, form, status=422)
    by = await pages.name_of(visit)
    status = await forms.change(form, lambda: set_aside.dismiss_alike(visit.shop, number, note, by))
    if status != forms.SAVED:
        return await _group(visit, number, form, status=status)
    return await _group(visit, number, toast="Dismissed. It is kept with your note")


async def _group(
    visit: Visit, number: int, form: Form | None = None, *, toast: str = "", status: int = 200
) -> Response:
    page = pages.page_number(visit.request)
    found = await pages.attempt(lambda: set_aside.alike(visit.shop, number, page))
    return pages.render(
        visit,
        "admin/set_aside.html",
        heading="Set aside",
        number=number,
        found=found,
        form=form or Form("dismiss-"),
        about=subjects,
        admin_url=f"https://{visit.shop}/admin",
        toast=toast,
        status=status,
    )


def _is_group(visit: Visit) -> bool:
    return "-alike/" in visit.request.url.path


def _number(written: str) -> int:
    if not re.fullmatch(r"[0-9]{1,19}", written):
        raise NotFoundError(NO_SUCH)
    return int(written)
