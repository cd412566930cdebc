"""The merchant's page about ways to earn besides orders, and the key of the shop's own server."""

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.errors import NotFoundError
from app.points.outside import keys
from app.points.outside.keys import KeyView
from app.points.pages import conflicts
from app.points.ways import actions, reads, rules
from app.points.ways.reads import WayView
from app.points.ways.rules import Way
from app.web import forms, pages
from app.web.forms import Form
from app.web.pages import Page, Visit, admin_page

KINDS = {
    "account": "Create an account",
    "newsletter": "Subscribe to e-mails",
    "birthday": "Birthday",
    "follow": "Follow on a network",
    "action": "Custom action",
}
EXPLAINED = {
    "account": "Once, when a customer creates an account. It begins their welcome.",
    "newsletter": "Once, when a customer subscribes to your e-mails. Unsubscribing and subscribing "
    "again gives nothing more.",
    "birthday": "Once a year, on the day in your time zone. Shoppers say it in the widget and can "
    "change it once a year. Who was born on 29 February celebrates on 28 February in other years.",
    "follow": "Once, on the shopper's word: networks tell nobody who follows whom.",
    "action": "Whatever your server or Shopify Flow tells of, such as a review.",
}
SUGGESTED = {
    "account": ("Create an account", 100),
    "newsletter": ("Subscribe to our e-mails", 50),
    "birthday": ("Celebrate your birthday", 100),
    "follow": ("Follow us", 20),
    "action": ("Write a review", 50),
}
FIELDS = {"title": "Name", "points": "Points", "url": "Link", "per": "How often", "times": "Times"}
SHOWN = {"": "All", "on": "Switched on", "off": "Switched off"}
SEARCH_LENGTH_MAX = 100


@admin_page
async def ways(visit: Visit) -> Response:
    return await _ways(visit)


async def _ways(
    visit: Visit,
    *,
    form: Form | None = None,
    open_id: str = "",
    new_key: str = "",
    status: int = 200,
    toast: str = "",
) -> Response:
    """The page; `form` is one that failed: of the way `open_id`, or of a new one of that kind."""
    shop, query = visit.shop, visit.request.query_params
    found, key = await asyncio.gather(
        pages.read(visit.stores, f"ways:{shop}", lambda: reads.of_shop(shop), list[WayView]),
        pages.read(visit.stores, f"api-key:{shop}", lambda: keys.of_shop(shop), KeyView | None),
    )
    every = found.value or []
    search = query.get("q", "").replace("\0", "").strip()[:SEARCH_LENGTH_MAX]
    state = query.get("state", "")
    state = state if state in SHOWN else ""
    shown = [
        row
        for row in every
        if search.lower() in f"{row.title} {KINDS[row.kind]} {row.handle}".lower()
        and (not state or row.is_active == (state == "on"))
    ]
    missing = [kind for kind in KINDS if not any(row.kind == kind for row in every)]
    chosen = query.get("add", "")
    chosen = chosen if chosen in KINDS else ""
    if form is not None and not open_id:
        chosen = form.values.get("kind", "")
    return pages.render(
        visit,
        "points/ways.html",
        heading="Ways to earn",
        readings=[found, key],
        status=status,
        toast=toast,
        ways=[(row, form if form and open_id == row.id else _form(row)) for row in shown],
        every=every,
        is_known=found.value is not None,
        open_id=open_id,
        search=search,
        state=Form("filter-", {"state": state}),
        shown_states=SHOWN,
        kinds=KINDS,
        explained=EXPLAINED,
        suggested=SUGGESTED,
        missing=missing,
        addable=[k for k in KINDS if k in missing or k not in rules.SINGLE],
        chosen=chosen,
        new=form if form and not open_id else _new(chosen),
        periods=PERIODS,
        key=key.value,
        is_key_known=key.value is not None or key.is_live,
        new_key=new_key,
        endpoint=_endpoint(visit.request),
    )


def _endpoint(request: Request) -> str:
    """The app's address as the world has it: who stands before us may end TLS."""
    scheme = request.headers.get("x-forwarded-proto", request.url.scheme)
    secure = "https" if scheme == "https" else request.url.scheme
    return str(request.base_url.replace(scheme=secure)).rstrip("/")


PERIODS = {"once": "Once", "day": "A day", "week": "A week", "month": "A month", "year": "A year"}


def _new(kind: str) -> Form:
    if not kind:
        return Form("way-new-")
    title, points = SUGGESTED[kind]
    values = {"kind": kind, "title": title, "points": str(points), "key": str(uuid.uuid4())}
    return Form("way-new-", {**values, "per": "once", "times": "1"})


def _form(row: WayView | Way) -> Form:
    values = {
        "title": row.title,
        "points": str(row.points),
        "url": row.url,
        "handle": row.handle,
        "per": row.per,
        "times": str(row.times),
        "version": str(row.version),
    }
    return Form(f"way-{row.id}-", values)


def _typed(kind: str, values: Mapping[str, str]) -> dict[str, Any]:
    """The fields of a way as they were typed; None for what is no number."""
    found: dict[str, Any] = {
        "title": values.get("title", ""),
        "points": forms.whole(values.get("points", ""), rules.POINTS_MAX),
    }
    if kind == "follow":
        found["url"] = values.get("url", "")
    if kind == "action":
        per = values.get("per", "once")
        found |= {
            "handle": values.get("handle", ""),
            "per": per,
            "times": 1 if per == "once" else forms.whole(values.get("times", ""), rules.TIMES_MAX),
        }
    return found


@admin_page
async def add(visit: Visit) -> Response:
    values = await forms.read_form(visit.request)
    kind = values.get("kind", "")
    form = Form("way-new-", values)
    if kind not in KINDS:
        form.problems[""] = "Please choose what is to give points."
        return await _ways(visit, status=422, toast=form.problems[""])
    typed = _typed(kind, values)
    form.problems = rules.problems(kind, typed)
    if form.problems:
        return await _ways(visit, form=form, status=422)
    by, key = await pages.name_of(visit), values.get("key") or None
    status = await forms.change(form, lambda: actions.make(visit.shop, kind, typed, by, key=key))
    if status != forms.SAVED:
        return await _ways(visit, form=form, status=status)
    return await _ways(visit, toast=f"“{typed['title']}” gives points from now on")


@admin_page
async def change(visit: Visit) -> Response:
    way_id = str(visit.request.path_params["way_id"])
    values = await forms.read_form(visit.request)
    current = await _of_shop(visit, way_id)
    typed = _typed(current.kind, {**values, "handle": current.handle})
    shown = {**_form(current).values, **values}
    form = Form(f"way-{way_id}-", shown, rules.problems(current.kind, typed))
    if form.problems:
        return await _ways(visit, form=form, open_id=way_id, status=422)
    by = await pages.name_of(visit)

    async def save() -> None:
        try:
            await actions.change(visit.shop, way_id, typed, by, seen_version=conflicts.seen(values))
        except actions.StaleWayError as error:
            conflicts.show(form, dict(_form(error.current).values), FIELDS)
            raise

    status = await forms.change(form, save)
    if status != forms.SAVED:
        return await _ways(visit, form=form, open_id=way_id, status=status)
    return await _ways(visit, toast="Saved. It counts for what happens from now on")


async def _of_shop(visit: Visit, way_id: str) -> WayView:
    """Raises NotFoundError."""
    found = await pages.attempt(lambda: reads.of_shop(visit.shop), forms.CHANGES)
    for row in found or []:
        if row.id == way_id:
            return row
    raise NotFoundError(actions.NO_SUCH)


@admin_page
async def switch(visit: Visit) -> Response:
    """Switch a way off, or on again; points that were given stay."""
    way_id = str(visit.request.path_params["way_id"])
    values = await forms.read_form(visit.request)
    form, is_active = Form(f"way-{way_id}-"), values.get("on") == "1"
    by = await pages.name_of(visit)
    status = await forms.change(
        form, lambda: actions.switch(visit.shop, way_id, by, is_active=is_active)
    )
    said = "Switched on" if is_active else "Switched off"
    return await _ways(visit, status=status, toast=form.problems.get("", said))


@admin_page
async def make_key(visit: Visit) -> Response:
    """A new key, shown this once; the one before ends."""
    await forms.read_form(visit.request)
    form, by = Form("key-"), await pages.name_of(visit)
    made = [""]

    async def make() -> None:
        made[0] = await keys.make(visit.shop, by)

    status = await forms.change(form, make)
    said = "A new key was made. Copy it now: it is not shown again"
    return await _ways(visit, new_key=made[0], status=status, toast=form.problems.get("", said))


@admin_page
async def remove_key(visit: Visit) -> Response:
    await forms.read_form(visit.request)
    form = Form("key-")
    status = await forms.change(form, lambda: keys.remove(visit.shop))
    return await _ways(visit, status=status, toast=form.problems.get("", "The key was removed"))


routes: list[BaseRoute] = [
    Page("/ways", ways, "Ways to earn"),
    Route("/ways", add, methods=["POST"]),
    Route("/ways/key", make_key, methods=["POST"]),
    Route("/ways/key/remove", remove_key, methods=["POST"]),
    Route("/ways/{way_id}", change, methods=["POST"]),
    Route("/ways/{way_id}/switch", switch, methods=["POST"]),
]
