"""The merchant's pages about rewards: all of them, and one to make or edit."""

import asyncio
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.errors import NotFoundError
from app.points.pages import conflicts, program, reward_form, reward_words
from app.points.rewards import offers, reads
from app.points.rewards.problems import problems
from app.points.rewards.rules import CHOSEN_KINDS, CODE_KINDS, Offered
from app.points.views import RewardView
from app.telemetry import product
from app.text import fold
from app.web import forms, pages, wording
from app.web.forms import Form
from app.web.pages import Page, Visit, admin_page

SEARCH_LENGTH_MAX = 100
STATES = {"on": "On offer", "planned": "Planned", "over": "Over", "off": "Switched off"}
TONES = {"on": "success", "planned": "info", "over": "neutral", "off": "neutral"}
ANYWHERE = Offered()


class Listed(NamedTuple):
    """A line of the list."""

    reward: RewardView
    kind: str
    gives: str
    costs: str
    state: str


@admin_page
async def rewards(visit: Visit) -> Response:
    await program.ready(visit)
    return await _list(visit)


async def _list(visit: Visit, *, status: int = 200, toast: str = "") -> Response:
    query = visit.request.query_params
    search = query.get("q", "").replace("\0", "").strip()[:SEARCH_LENGTH_MAX]
    kind, state = query.get("kind", ""), query.get("state", "")
    found = await pages.read(
        visit.stores, f"rewards:{visit.shop}", lambda: reads.rewards(visit.shop), list[RewardView]
    )
    now = datetime.now(UTC)
    every = [_listed(one, visit.currency, now) for one in found.value or []]
    rows = [
        one
        for one in every
        if fold(search) in fold(one.reward.title)
        and kind in {"", one.reward.kind}
        and state in {"", one.state}
    ]
    return pages.render(
        visit,
        "points/rewards.html",
        heading="Rewards",
        readings=[found],
        status=status,
        toast=toast,
        is_known=found.value is not None,
        rows=rows,
        count=len(every),
        search=search,
        filters=Form("filter-", {"kind": kind, "state": state}),
        kinds={"": "Every kind", **{name: title for name, (title, _) in reward_form.KINDS.items()}},
        states={"": "Every state", **STATES},
        labels=STATES,
        tones=TONES,
        copy_key=str(uuid.uuid4()),
    )


def _listed(one: RewardView, currency: str, now: datetime) -> Listed:
    details, choose = one.details, one.details.choose
    state = "on" if one.is_active else "off"
    if one.is_active and details.starts_at and now < details.starts_at:
        state = "planned"
    elif one.is_active and details.ends_at and now >= details.ends_at:
        state = "over"
    title = reward_form.KINDS.get(one.kind, (one.kind, ""))[0]
    if choose:
        costs = f"{choose.least:,} to {choose.most:,} points"
        unit = f"{choose.unit}%" if one.kind == "percent_off" else _money(choose.unit, currency)
        gives = f"{unit} for each {choose.points_per_unit:,} points"
    else:
        costs = f"{one.cost:,} {'point' if one.cost == 1 else 'points'}"
        gives = {
            "percent_off": f"{details.percent}% off",
            "free_shipping": "Free shipping",
            "free_product": _free(one, currency),
        }.get(one.kind, wording.money(one.amount_off, currency))
    return Listed(one, title, gives, costs, state)


def _free(one: RewardView, currency: str) -> str:
    said = f"One of {len(one.details.products):,} products"
    if one.details.bought:
        return f"{said}, with a purchase"
    return f"{said}, worth up to {wording.money(one.amount_off, currency)}"


def _money(amount: str, currency: str) -> str:
    return wording.money(Decimal(amount), currency)


@admin_page
async def new(visit: Visit) -> Response:
    """Which kind first; then its form."""
    kind = visit.request.query_params.get("kind", "")
    if kind not in reward_form.KINDS:
        return pages.render(
            visit, "points/reward_kinds.html", heading="Add a reward", kinds=reward_form.KINDS
        )
    costing = "choose" if visit.request.query_params.get("costing") == "choose" else "fixed"
    values = {
        "kind": kind,
        "costing": costing,
        "key": str(uuid.uuid4()),
        "on_return": "whole",
        "on_unused": "keep",
        "grace_days": "30",
        **({"code_days": "365"} if kind == "store_credit" else {}),
    }
    return await _form(visit, Form("reward-", values), None)


@admin_page
async def edit(visit: Visit) -> Response:
    reward = await _reward(visit)
    offered = await _offered(visit)
    values = _written(reward_form.shown(reward, visit.timezone, offered.tiers or {}), visit.locale)
    asked = visit.request.query_params.get("costing", "")
    if asked in {"choose", "fixed"}:
        values["costing"] = asked
    return await _form(visit, Form("reward-", values), reward)


@admin_page
async def save(visit: Visit) -> Response:
    """Make a reward, or change the one in the address."""
    reward_id = str(visit.request.path_params.get("reward_id", ""))
    reward = await _reward(visit) if reward_id else None
    values = await forms.read_form(visit.request)
    offered = await _offered(visit)
    tiers = offered.tiers or {}
    wanted, unreadable = reward_form.read(values, visit.locale, visit.timezone, tiers)
    gone = await reward_form.gone(visit.stores, visit.request.state.client, visit.shop, wanted)
    found = reward_form.named(gone | problems(wanted, offered)) | unreadable
    form = Form("reward-", values, found)
    cost, amount = wanted.cost, wanted.amount_off
    if form.problems or amount is None:
        return await _form(visit, form, reward, status=422)

    async def change() -> None:
        try:
            await offers.save_reward(
                visit.shop,
                reward_id or None,
                wanted.title,
                cost or 0,
                amount,
                kind=wanted.kind,
                details=wanted.details,
                key=values.get("key") or None,
                seen_version=conflicts.seen(values),
            )
        except offers.StaleRewardError as error:
            theirs = reward_form.shown(error.current, visit.timezone, tiers)
            shown = {
                name: reward_form.LABELS[name] for name in values if name in reward_form.LABELS
            }
            conflicts.show(form, _written(theirs, visit.locale), shown)
            raise

    status = await forms.change(form, change)
    if status != forms.SAVED:
        return await _form(visit, form, reward, status=status)
    saved = product.RewardSaved(wanted.cost or 0, is_new=not reward_id)
    product.track(saved, visit.shop, visit.stores.config)
    return await _list(visit, toast="Reward saved")


@admin_page
async def switch(visit: Visit) -> Response:
    """Take a reward out of the storefront, or put it back; codes given out stay good."""
    reward_id = str(visit.request.path_params["reward_id"])
    values = await forms.read_form(visit.request)
    form = Form(f"reward-{reward_id}-")
    is_active = values.get("on") == "1"
    status = await forms.change(
        form, lambda: offers.switch_reward(visit.shop, reward_id, is_active=is_active)
    )
    said = "Switched on" if is_active else "Switched off"
    return await _list(visit, status=status, toast=form.problems.get("", said))


@admin_page
async def copy(visit: Visit) -> Response:
    """Another one like it, switched off."""
    reward_id = str(visit.request.path_params["reward_id"])
    values = await forms.read_form(visit.request)
    form = Form(f"reward-{reward_id}-", values)
    key = f"{values.get('key') or uuid.uuid4()}:{reward_id}"
    status = await forms.change(form, lambda: offers.copy_reward(visit.shop, reward_id, key))
    said = "Copied. The copy is switched off"
    return await _list(visit, status=status, toast=form.problems.get("", said))


async def _reward(visit: Visit) -> RewardView:
    reward_id = str(visit.request.path_params["reward_id"])
    found = await pages.read(
        visit.stores, f"rewards:{visit.shop}", lambda: reads.rewards(visit.shop), list[RewardView]
    )
    for one in found.value or []:
        if one.id == reward_id:
            return one
    raise NotFoundError(offers.NO_SUCH)


async def _offered(visit: Visit) -> Offered:
    return await pages.attempt(lambda: reads.offered(visit.shop)) or ANYWHERE


async def _form(
    visit: Visit, form: Form, reward: RewardView | None, *, status: int = 200
) -> Response:
    kind = form.values.get("kind", "")
    title = reward_form.KINDS.get(kind, ("Reward", ""))[0]
    offered, segments = await asyncio.gather(
        _offered(visit), pages.attempt(lambda: reads.segments(visit.shop))
    )
    values: Mapping[str, Any] = form.values
    chosen = [values["segment"]] if values.get("segment") else []
    return pages.render(
        visit,
        "points/reward.html",
        heading=reward.title if reward else f"New: {title.lower()}",
        status=status,
        form=form,
        reward=reward,
        kind=kind,
        kind_title=title,
        example=[] if form.problems else reward_words.said(visit, form.values, offered),
        is_code=kind in CODE_KINDS,
        can_choose=kind in CHOSEN_KINDS,
        is_chosen=values.get("costing") == "choose" and kind in CHOSEN_KINDS,
        combines=_combines(kind),
        returns=reward_form.RETURNS,
        unused=reward_form.UNUSED,
        tiers={"": "Everybody", **{name: f"{title} and above" for name, title in _named(offered)}},
        segments={"": "Every segment", **{one: one for one in [*(segments or []), *chosen]}},
    )


def _named(offered: Offered) -> list[tuple[str, str]]:
    return list((offered.tiers or {}).items())


def _combines(kind: str) -> dict[str, str]:
    if kind != "free_shipping":
        return reward_form.COMBINES
    return {name: text for name, text in reward_form.COMBINES.items() if "shipping" not in name}


def _written(values: dict[str, str], locale: str) -> dict[str, str]:
    return {
        name: forms.written(value, locale) if name in reward_form.NUMBERS else value
        for name, value in values.items()
    }


routes: list[BaseRoute] = [
    Page("/rewards", rewards, "Rewards"),
    Route("/rewards", save, methods=["POST"]),
    Route("/rewards/new", new),
    *reward_words.routes,
    Route("/rewards/{reward_id}", edit),
    Route("/rewards/{reward_id}", save, methods=["POST"]),
    Route("/rewards/{reward_id}/switch", switch, methods=["POST"]),
    Route("/rewards/{reward_id}/copy", copy, methods=["POST"]),
]
