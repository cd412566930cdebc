"""The merchant's pages about referrals: figures with the list, the queue, and one referral."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app import paging
from app.errors import NotFoundError
from app.referrals import reads
from app.referrals.claims import deciding
from app.referrals.claims.deciding import GONE, Decision
from app.referrals.links import actions as links
from app.referrals.pages import settings as settings_page
from app.referrals.panels.home import NOT_LOST, is_away
from app.referrals.settings import reads as settings_reads
from app.referrals.views import Detail, Overview, ReferralList
from app.resilience import reading
from app.resilience.reading import Reading
from app.web import forms, pages, panels
from app.web.banners import Banner
from app.web.forms import Form
from app.web.pages import Page, Visit, admin_page

SEARCH_LENGTH_MAX = 100
STAGES = {
    "": "All",
    "held": "To be looked at",
    "claimed": "Claimed",
    "ordered": "Ordered, held back",
    "completed": "Rewarded",
    "blocked": "Blocked",
    "reversed": "Taken back",
    "lapsed": "Never ordered",
}
TONES = {
    "held": "warning",
    "claimed": "info",
    "ordered": "info",
    "completed": "success",
    "blocked": "critical",
}
DECISIONS = {
    "allow": ("Let it go on", "The friend keeps the code, and the reward follows its hold."),
    "hold": ("Look again later", "Nothing is given while it waits."),
    "block": ("Block it", "The code is switched off, and what was given is taken back."),
}
SAID = {"allow": "It goes on", "hold": "It waits for another look", "block": "Blocked"}
_WAITS = "Held ones stay held until you decide."


@admin_page
async def overview(visit: Visit) -> Response:
    settings, figures, found = await asyncio.gather(
        settings_page.current(visit),
        panels.read(visit, "referrals", "overview", lambda: reads.overview(visit.shop), Overview),
        _list(visit, _stage(visit)),
    )
    return _render(
        visit,
        "referrals/overview.html",
        "Referrals",
        [figures, found],
        figures=figures.value,
        settings=settings.value,
        found=found.value,
        stage=_stage(visit),
        chosen=Form("filter-", {"stage": _stage(visit)}),
        search=_search(visit),
        is_queue=False,
    )


@admin_page
async def queue(visit: Visit) -> Response:
    """Those that wait for a look, the longest waiting first."""
    found = await _list(visit, "held")
    return _render(
        visit,
        "referrals/queue.html",
        "To be looked at",
        [found],
        found=found.value,
        search=_search(visit),
        waits=_WAITS,
        is_queue=True,
    )


@admin_page
async def referral(visit: Visit) -> Response:
    return await _referral(visit, _id(visit))


@admin_page
async def decide(visit: Visit) -> Response:
    referral_id = _id(visit)
    values = await forms.read_form(visit.request)
    decision, reason = values.get("decision", ""), values.get("reason", "")
    form = Form("decide-", values, deciding.problems(decision, reason))
    if form.problems:
        return await _referral(visit, referral_id, form, status=422)
    by = await pages.name_of(visit)
    status = await forms.change(
        form,
        lambda: deciding.decide(visit.shop, referral_id, cast("Decision", decision), reason, by),
    )
    if status != forms.SAVED:
        return await _referral(visit, referral_id, form, status=status)
    return await _referral(visit, referral_id, toast=SAID[decision])


@admin_page
async def close_link(visit: Visit) -> Response:
    """Close the link of a referral's advocate, or open it again."""
    referral_id = _id(visit)
    values = await forms.read_form(visit.request)
    is_closed = values.get("on") != "1"
    by = await pages.name_of(visit)
    form = Form("link-")
    status = await forms.change(
        form, lambda: links.close(visit.shop, referral_id, by, is_closed=is_closed)
    )
    said = "The link is closed" if is_closed else "The link is open again"
    toast = form.problems.get("", said)
    return await _referral(visit, referral_id, status=status, toast=toast)


def routes(rewards: Callable[[str], Awaitable[Sequence[Any]]]) -> list[BaseRoute]:
    """The routes; `rewards` names the rewards of a shop, which are another service's."""
    edit, show, sentence = settings_page.of(rewards)
    return [
        Page("/referrals", overview, "Referrals"),
        Route("/referrals/queue", queue),
        Route("/referrals/settings", show),
        Route("/referrals/settings/sentence", sentence),
        Route("/referrals/settings", edit, methods=["POST"]),
        Route("/referrals/{referral_id:int}", referral),
        Route("/referrals/{referral_id:int}/decide", decide, methods=["POST"]),
        Route("/referrals/{referral_id:int}/link", close_link, methods=["POST"]),
    ]


async def _list(visit: Visit, stage: str) -> Reading[ReferralList]:
    """Only the first page of each plain list is kept for bad days."""
    shop, search = visit.shop, _search(visit)
    at = paging.cursor(visit.request.query_params, reads.KEYS)
    token_keys = visit.stores.config.token_keys

    async def load() -> ReferralList:
        return await reads.listed(shop, stage, search, at, token_keys)

    if search or at is not None:
        found = await pages.attempt(load, panels.RESOURCES["referrals"])
        return reading.unavailable() if found is None else reading.live(found)
    return await panels.read(visit, "referrals", f"list:{stage}", load, ReferralList)


async def _referral(
    visit: Visit,
    referral_id: int,
    form: Form | None = None,
    *,
    status: int = 200,
    toast: str = "",
) -> Response:
    found = await panels.read(
        visit,
        "referrals",
        f"one:{referral_id}",
        lambda: reads.detail(visit.shop, referral_id),
        Detail,
    )
    return _render(
        visit,
        "referrals/referral.html",
        f"Referral {referral_id}",
        [found],
        status=status,
        toast=toast,
        found=found.value,
        referral_id=referral_id,
        form=form or Form("decide-", {"key": str(uuid.uuid4())}),
        decisions=DECISIONS,
    )


def _render(
    visit: Visit,
    template: str,
    heading: str,
    readings: Sequence[Reading[Any]],
    *,
    status: int = 200,
    toast: str = "",
    **context: Any,
) -> Response:
    """The page, with a banner while nobody works on referrals."""
    notes = [Banner("warning", "Referrals temporarily unavailable", NOT_LOST)]
    return pages.render(
        visit,
        template,
        heading=heading,
        readings=readings,
        notes=notes if is_away(visit) else (),
        status=status,
        toast=toast,
        stages=STAGES,
        tones=TONES,
        for_friend=settings_reads.for_friend,
        promised=settings_reads.promised,
        **context,
    )


def _stage(visit: Visit) -> str:
    asked = visit.request.query_params.get("stage", "")
    return asked if asked in STAGES else ""


def _search(visit: Visit) -> str:
    return visit.request.query_params.get("q", "").replace("\0", "").strip()[:SEARCH_LENGTH_MAX]


def _id(visit: Visit) -> int:
    """Raises NotFoundError for a number no referral can have."""
    referral_id = int(visit.request.path_params["referral_id"])
    if referral_id >= 10**15:
        raise NotFoundError(GONE)
    return referral_id
