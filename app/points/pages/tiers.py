"""The merchant's page about tiers: who is in them, what they ask for and give, and what other
thresholds would change.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from app.errors import NotFoundError, UnavailableError
from app.points.earning import rules as earning
from app.points.pages import conflicts, tier_form, tier_words
from app.points.rewards import reads as rewards
from app.points.tiers import actions, figures, reads
from app.points.tiers.figures import Figures
from app.points.tiers.reads import TierRow, Tiers
from app.points.tiers.rules import Scheme
from app.resilience.reading import Reading
from app.web import examples, forms, pages, views
from app.web.forms import Form
from app.web.pages import Page, Visit, admin_page

STAGES = {
    "clearing": "Orders are about to be counted.",
    "counting": "Orders are being counted: {done:,} so far.",
    "placing": "Members are being placed: {done:,} of {total:,}.",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """How many members are in a tier, and what part of all that is."""

    name: str
    members: int
    percent: int
    change: int | None = None  # against now, in a what-if


@admin_page
async def page(visit: Visit) -> Response:
    return await _page(visit)


async def _page(
    visit: Visit,
    *,
    form: Form | None = None,
    perks: Form | None = None,
    tier_id: str = "",
    status: int = 200,
    toast: str = "",
) -> Response:
    """The page; `form` is one that failed, `perks` that of the tier `tier_id`."""
    now, counts = await asyncio.gather(_tiers(visit), _figures(visit))
    current = now.value
    if form is None and current is not None:
        form = Form("tiers-", tier_form.typed(current, visit.locale))
    return pages.render(
        visit,
        "points/tiers.html",
        heading="Tiers",
        readings=[now],
        status=status,
        toast=toast,
        tiers=current,
        figures=counts.value,
        bars=_bars(current, counts.value) if current and counts.value else [],
        progress=_progress(current),
        form=form,
        example=tier_words.said(visit, current, form.values) if form and not form.problems else [],
        rows=tier_form.started(current) if current else [],
        perks=[
            (one, perks if perks and tier_id == one.tier_id else _perk_form(one, current.version))
            for one in (current.tiers if current else [])
            if current
        ],
        open_tier=tier_id,
        measures=tier_form.MEASURES,
        periods=tier_form.PERIODS,
        policies=tier_form.POLICIES,
        words=tier_form.words,
        rewards={"": "None", **await _rewards(visit)},
        multiplier=earning.rate_text,
        tiers_max=actions.TIERS_MAX,
    )


async def _tiers(visit: Visit) -> Reading[Tiers]:
    shop = visit.shop
    return await pages.read(visit.stores, f"tiers:{shop}", lambda: reads.tiers(shop), Tiers)


async def _figures(visit: Visit) -> Reading[Figures | None]:
    return await pages.attempted(lambda: figures.of_shop(visit.shop), may_be_old=True)


def _progress(current: Tiers | None) -> str:
    """What is being done in the background, empty when nothing is."""
    if current is None or current.stage == "done":
        return ""
    return STAGES[current.stage].format(done=current.done, total=current.total)


def _bars(current: Tiers, counts: Figures) -> list[Bar]:
    """The tiers with their members, the highest first; whoever is in none comes last."""
    counted = sum(counts.by_tier.values())
    in_tiers = {one.tier_id: counts.by_tier.get(one.tier_id, 0) for one in current.tiers}
    rest = counts.members - counted  # who has nothing that counts
    if current.tiers and current.tiers[0].threshold == 0:
        in_tiers[current.tiers[0].tier_id] += rest
    nobody = counts.members - sum(in_tiers.values())
    found = [_bar(one.name, in_tiers[one.tier_id], counts.members) for one in current.tiers]
    found.reverse()
    return [*found, _bar("No tier", nobody, counts.members)] if nobody else found


def _bar(name: str, members: int, of: int, change: int | None = None) -> Bar:
    return Bar(name, members, round(100 * members / of) if of else 0, change)


@admin_page
async def what_if(visit: Visit) -> Response:
    """How many would be in each tier with the thresholds that are being typed."""
    now, counts = await asyncio.gather(_tiers(visit), _figures(visit))
    text = ""
    bars: list[Bar] = []
    if now.value is None or counts.value is None:
        text = "This cannot be counted just now."
    else:
        text, bars = _would_be(now.value, counts.value, visit)
    html = views.environment.get_template("points/tier_what_if.html").render(text=text, bars=bars)
    return HTMLResponse(html, headers={"Cache-Control": "no-store"})


def _would_be(current: Tiers, counts: Figures, visit: Visit) -> tuple[str, list[Bar]]:
    settings, problems = tier_form.scheme(current, visit.request.query_params, visit.locale)
    if problems:
        return "Give thresholds, each higher than the one before it.", []
    if not current.is_on:
        return "Orders are not counted yet. Count them first to see who would be where.", []
    if not _counts_alike(current, settings):
        return "Another way of counting shows its figures once it is saved.", []
    if progress := _progress(current):
        return progress, []
    numbers = counts.would_be([one.threshold for one in settings.tiers])
    before = {bar.name: bar.members for bar in _bars(current, counts)}
    names = ["No tier", *(one.name for one in settings.tiers)]
    found = [
        _bar(name, members, counts.members, members - before.get(name, 0) if before else None)
        for name, members in zip(names, numbers, strict=True)
        if members or name != "No tier"
    ]
    found.reverse()
    about = "" if counts.is_exact else "About so many: to a two-thousandth of all members."
    return about, found


def _counts_alike(current: Tiers, settings: Scheme) -> bool:
    return all(getattr(current, name) == getattr(settings, name) for name in actions.PLACING)


@admin_page
async def sentence(visit: Visit) -> Response:
    """What the form so far comes to."""
    now = await _tiers(visit)
    return examples.said(tier_words.said(visit, now.value, visit.request.query_params))


@admin_page
async def save(visit: Visit) -> Response:
    """All tiers and how they are reached, or with `count` only the latter: orders are counted to
    see who would be where.
    """
    values = await forms.read_form(visit.request)
    current = await _current(visit)
    settings, problems = tier_form.scheme(current, values, visit.locale)
    form = Form("tiers-", values, problems)
    if problems:
        return await _page(visit, form=form, status=422)
    settings = tier_form.saved(settings)
    if values.get("count"):
        settings = msgspec.structs.replace(settings, tiers=[], counts=True)
    status = await _save(visit, form, settings, conflicts.seen(values))
    if status != forms.SAVED:
        return await _page(visit, form=form, status=status)
    return await _page(visit, toast="Saved. Everybody is being placed; you can leave this page")


@admin_page
async def save_perks(visit: Visit) -> Response:
    """What a tier gives besides its multiplier."""
    tier_id = str(visit.request.path_params["tier_id"])
    values = await forms.read_form(visit.request)
    current = await _current(visit)
    changed = {
        "perks": [line.strip() for line in values.get("perks", "").splitlines() if line.strip()],
        "icon": values.get("icon", ""),
        "reward_id": values.get("reward_id", ""),
    }
    settings = _scheme(current)
    tiers = [
        msgspec.structs.replace(one, **changed) if one.tier_id == tier_id else one
        for one in settings.tiers
    ]
    settings = msgspec.structs.replace(settings, tiers=tiers)
    form = Form(f"perks-{tier_id}-", values)
    if changed["reward_id"] and changed["reward_id"] not in await _rewards(visit):
        form.problems["reward_id"] = "There is no such reward in this shop."
    for name, problem in actions.problems(settings).items():
        form.problems[name.partition("-")[0]] = problem
    if form.problems:
        return await _page(visit, perks=form, tier_id=tier_id, status=422)
    status = await _save(visit, form, settings, conflicts.seen(values))
    if status != forms.SAVED:
        return await _page(visit, perks=form, tier_id=tier_id, status=status)
    return await _page(visit, toast="Saved")


@admin_page
async def delete(visit: Visit) -> Response:
    """Take a tier away; whoever is in it is placed by what is left."""
    tier_id = str(visit.request.path_params["tier_id"])
    await forms.read_form(visit.request)
    current = await _current(visit)
    settings = _scheme(current)
    left = [one for one in settings.tiers if one.tier_id != tier_id]
    if len(left) == len(settings.tiers):
        raise NotFoundError("There is no such tier in this shop.")
    form = Form(f"perks-{tier_id}-")
    settings = msgspec.structs.replace(settings, tiers=left)
    status = await _save(visit, form, settings, current.version)
    said = "Tier deleted" if status == forms.SAVED else form.problems[""]
    return await _page(visit, status=status, toast=said)


async def _current(visit: Visit) -> Tiers:
    """Raises UnavailableError."""
    current = await pages.attempt(lambda: reads.tiers(visit.shop))
    if current is None:
        raise UnavailableError(forms.UNSAVED)
    return current


async def _save(visit: Visit, form: Form, settings: Scheme, seen: int | None) -> int:
    by = await pages.name_of(visit)

    async def call() -> None:
        try:
            await actions.save(visit.shop, settings, by, seen)
        except actions.StaleTiersError as error:
            form.values = {**form.values, "version": str(error.version)}
            raise

    return await forms.change(form, call)


async def _rewards(visit: Visit) -> dict[str, str]:
    """The titles of the shop's rewards by id; none where they cannot be read just now."""
    found = await pages.attempt(lambda: rewards.rewards(visit.shop, active_only=True))
    return {one.id: one.title for one in found or ()}


def _scheme(current: Tiers) -> Scheme:
    return Scheme(
        current.measure,  # type: ignore[arg-type]
        current.period,  # type: ignore[arg-type]
        current.days,
        current.policy,  # type: ignore[arg-type]
        current.grace_days,
        [tier_form.tier(one) for one in current.tiers],
    )


def _perk_form(row: TierRow, version: int) -> Form:
    values: dict[str, Any] = {
        "icon": row.icon,
        "perks": "\n".join(row.perks),
        "reward_id": row.reward_id,
        "version": str(version),
    }
    return Form(f"perks-{row.tier_id}-", values)


routes: list[BaseRoute] = [
    Page("/tiers", page, "Tiers"),
    Route("/tiers", save, methods=["POST"]),
    Route("/tiers/what-if", what_if),
    Route("/tiers/sentence", sentence),
    Route("/tiers/{tier_id}/perks", save_perks, methods=["POST"]),
    Route("/tiers/{tier_id}/delete", delete, methods=["POST"]),
]
