"""The merchant's page about the widget: its colours, its button, where it stands and what it says,
with the widget itself beside it.
"""

import asyncio
import json
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from app.core.looks import actions, reads
from app.core.looks.views import Kept, Look, Texts
from app.web import forms, pages, views
from app.web.forms import Form
from app.web.pages import Page, Visit, admin_page

PAGE_SIZE = 25  # texts; a form has at most forty fields
ICONS = {"gift": "A gift", "star": "A star", "heart": "A heart", "crown": "A crown"}
LAUNCHERS = {"both": "Icon and text", "icon": "The icon alone"}
CORNERS = {"end": "Bottom right", "start": "Bottom left"}
PAGES = {
    "home": "Home page",
    "product": "Product pages",
    "collection": "Collections",
    "cart": "Cart",
    "other": "All other pages",
}
SWITCH = {"on": "Shown", "off": "Not shown"}
LABELS = {
    "accent": "Buttons and header",
    "text": "Text",
    "background": "Background",
    "icon": "Icon",
    "launcher": "The button shows",
    "corner": "Corner of the screen",
    "offset": "Distance from the edges",
    "radius": "Roundness of corners",
    **{f"page_{name}": label for name, label in PAGES.items()},
}


@admin_page
async def page(visit: Visit) -> Response:
    return await _drawn(visit)


async def _drawn(
    visit: Visit,
    *,
    look: Form | None = None,
    texts: Form | None = None,
    status: int = 200,
    toast: str = "",
) -> Response:
    """The page; `look` and `texts` are forms that failed."""
    language = _language(visit.request)
    kept, own = await asyncio.gather(
        pages.read(visit.stores, f"look:{visit.shop}", lambda: reads.look(visit.shop), Kept),
        pages.read(
            visit.stores,
            f"texts:{language}:{visit.shop}",
            lambda: reads.texts(visit.shop, language),
            Texts,
        ),
    )
    if look is None and kept.value is not None:
        look = Form("look-", _typed(kept.value))
    if texts is None and own.value is not None:
        said = {f"text:{key}": edit for key, edit in own.value.edits.items()}
        texts = Form("texts-", {**said, "version": str(own.value.version)})
    number, shown, count = _messages(visit.request, language)
    return pages.render(
        visit,
        "admin/appearance.html",
        heading="Appearance",
        readings=[kept, own],
        status=status,
        toast=toast,
        look=look,
        tried=_tried(look.values) if look else None,
        version=kept.value,
        icons=ICONS,
        launchers=LAUNCHERS,
        corners=CORNERS,
        kinds=PAGES,
        labels=LABELS,
        switch=SWITCH,
        texts=texts,
        own_texts=json.dumps(own.value.edits if own.value else {}),
        language=language,
        languages=Form("", {"lang": language}),
        spoken=reads.LANGUAGES,
        messages=shown,
        count=count,
        number=number,
        page_count=max(1, -(-count // PAGE_SIZE)),
        q=_sought(visit.request),
    )


@admin_page
async def tried(visit: Visit) -> Response:
    """What is to be said of the colours that are being typed, and the look for the preview."""
    shown = _tried(visit.request.query_params)
    html = views.environment.get_template("admin/appearance_tried.html").render(
        tried=shown, rendering=views.rendering(visit.request, visit.stores.config, visit.shop)
    )
    return HTMLResponse(html, headers={"Cache-Control": "no-store"})


@admin_page
async def save_look(visit: Visit) -> Response:
    values = await forms.read_form(visit.request)
    look = _look(values)
    form = Form("look-", values, {} if look is None else actions.look_problems(look))
    if look is None:
        form.problems |= _not_numbers(values)
    if look is None or form.problems:
        return await _drawn(visit, look=form, status=422)
    by = await pages.name_of(visit)

    async def save() -> None:
        try:
            await actions.save_look(visit.shop, look, by, _seen(values))
        except actions.StaleLookError as error:
            _beside(form, _typed(error.current), LABELS)
            raise

    status = await forms.change(form, save)
    if status != forms.SAVED:
        return await _drawn(visit, look=form, status=status)
    return await _drawn(visit, toast="Saved. Your store shows it within seconds")


@admin_page
async def save_texts(visit: Visit) -> Response:
    values = await forms.read_form(visit.request)
    language = _language(visit.request)
    edits = {
        name.removeprefix("text:"): text for name, text in values.items() if name[:5] == "text:"
    }
    problems = actions.text_problems(language, edits)
    form = Form("texts-", values, {f"text:{key}" if key else "": problems[key] for key in problems})
    if problems:
        return await _drawn(visit, texts=form, status=422)
    by = await pages.name_of(visit)

    async def save() -> None:
        try:
            await actions.save_texts(visit.shop, language, edits, by, _seen(values))
        except actions.StaleTextsError as error:
            current = error.current
            theirs = {f"text:{key}": current.edits.get(key, "") for key in edits}
            labels = {f"text:{key}": reads.messages(language)[key] for key in edits}
            _beside(form, {**theirs, "version": str(current.version)}, labels)
            raise

    status = await forms.change(form, save)
    if status != forms.SAVED:
        return await _drawn(visit, texts=form, status=status)
    return await _drawn(visit, toast="Saved. Your store says it within seconds")


def _typed(kept: Kept) -> dict[str, str]:
    """A look as the form shows it."""
    look = kept.look
    hidden = {f"page_{name}": "off" if name in look.hidden else "on" for name in PAGES}
    plain = {name: str(getattr(look, name)) for name in LABELS if not name.startswith("page_")}
    return {**plain, **hidden, "version": str(kept.version)}


def _look(values: Mapping[str, str]) -> Look | None:
    """The look that was typed; None where a number is none."""
    offset, radius = (forms.whole(values.get(name, ""), 1_000) for name in ("offset", "radius"))
    if offset is None or radius is None:
        return None
    accent, text, background = (
        values.get(name, "").lower() for name in ("accent", "text", "background")
    )
    return Look(
        accent,
        text,
        background,
        values.get("icon", ""),
        values.get("launcher", ""),
        values.get("corner", ""),
        offset,
        radius,
        tuple(name for name in PAGES if values.get(f"page_{name}") == "off"),
    )


def _not_numbers(values: Mapping[str, str]) -> dict[str, str]:
    return {
        name: "Please give whole pixels."
        for name in ("offset", "radius")
        if forms.whole(values.get(name, ""), 1_000) is None
    }


def _tried(values: Mapping[str, str]) -> dict[str, object]:
    """Advice about what is typed, and the look as the widget takes it: the last good one stays in
    the preview while something is wrong.
    """
    look = _look(values)
    problems = actions.look_problems(look) if look else {"offset": ""}
    if look is None or set(problems) - {"text"}:
        return {"advice": [], "look": ""}
    return {"advice": actions.advice(look), "look": json.dumps(reads.shown(look))}


def _beside(form: Form, theirs: Mapping[str, str], labels: Mapping[str, str]) -> None:
    """What somebody else saved meanwhile, beside what was typed."""
    form.conflict = [
        (label, theirs.get(name) or "nothing", form.values.get(name) or "nothing")
        for name, label in labels.items()
        if theirs.get(name, "") != form.values.get(name, "")
    ]
    form.values = {**form.values, "version": theirs["version"]}


def _seen(values: Mapping[str, str]) -> int | None:
    return forms.whole(values.get("version", ""), 1_000_000_000)


def _language(request: Request) -> str:
    asked = request.query_params.get("lang", "")
    return asked if asked in reads.LANGUAGES else reads.FIRST


def _sought(request: Request) -> str:
    return request.query_params.get("q", "").strip()[:100]


def _messages(request: Request, language: str) -> tuple[int, list[tuple[str, str]], int]:
    """The page's number, its messages by key, and how many there are."""
    sought = _sought(request).casefold()
    found = [
        (key, text)
        for key, text in reads.messages(language).items()
        if sought in text.casefold() or sought in key.casefold()
    ]
    last = max(1, -(-len(found) // PAGE_SIZE))
    number = min(pages.page_number(request), last)
    return number, found[(number - 1) * PAGE_SIZE : number * PAGE_SIZE], len(found)


routes: list[BaseRoute] = [
    Page("/appearance", page, "Appearance"),
    Route("/appearance/tried", tried),
    Route("/appearance/look", save_look, methods=["POST"]),
    Route("/appearance/texts", save_texts, methods=["POST"]),
]
