"""Home and status: what a merchant looks at first, and what Holdfast says about itself."""

import asyncio
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app import forms, pages, wording
from app.errors import NotFoundError
from app.flow import dead_letters, lane, outbox
from app.forms import Form
from app.pages import Visit, admin_page
from app.points import chart, program_pages
from app.points import reads as points_reads
from app.points.views import Overview, RewardView
from app.resilience import breaker, health
from app.resilience.guard import Resource

PARTS = {
    "web": ("Web", "these pages, the storefront and the door for webhooks"),
    "ingest": ("Ingest", "turns webhooks into facts"),
    "relay": ("Relay", "hands facts on to the services"),
    "points": ("Points", "keeps balances and the ledger"),
    "core": ("Core", "keeps shops and their settings"),
}
STATES = {
    "healthy": ("Running", "success"),
    "late": ("Behind", "warning"),
    "down": ("Not answering", "critical"),
}
TRIED_AGAIN = "It is being tried again now"
DAYS = 30
LANES = Resource("lanes")


@dataclass(frozen=True, slots=True)
class Attention:
    """Something for the merchant to look at on the status page; `action` is what the button
    says.
    """

    tone: str  # critical | warning
    title: str
    text: str
    action: str


@dataclass(frozen=True, slots=True)
class Part:
    """A service as the status page shows it."""

    title: str
    text: str
    state: str
    tone: str
    lag: str
    beat_at: datetime | None


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter as the status page shows it; `history` is [{at, reason}]."""

    id: int
    service: str
    topic: str
    reason: str
    state: str
    attempts: int
    history: list[dict[str, Any]]
    payload: str
    created_at: datetime
    next_attempt_at: datetime | None


@dataclass(frozen=True, slots=True)
class Letters:
    letters: list[Letter]
    total: int
    page: int
    pages: int


@admin_page
async def home(visit: Visit) -> Response:
    shop, stores = visit.shop, visit.stores
    program, overview, rewards, letters, waiting = await asyncio.gather(
        program_pages.ready(visit),
        pages.read(stores, f"home:{shop}", lambda: points_reads.overview(shop, DAYS), Overview),
        pages.read(stores, f"rewards:{shop}", lambda: points_reads.rewards(shop), list[RewardView]),
        pages.attempt(lambda: dead_letters.count_for_shop(shop)),
        pages.attempt(lambda: points_reads.waiting_redemptions(shop)),
    )
    found = overview.value
    days = [(day.day, day.earned, day.spent) for day in found.days] if found else []
    return pages.render(
        visit,
        "dashboard/home.html",
        heading="Home",
        readings=[overview],
        attention=_attention(letters, waiting, visit.board),
        overview=found,
        days=days,
        chart=chart.draw(days),
        earned=sum(earned for _, earned, _ in days),
        spent=sum(spent for _, _, spent in days),
        example=program_pages.example_of(program.value),
        worth=_worth(rewards.value, found, visit.currency),
        storefront=visit.stores.config.shopify_url.format(shop=shop),
    )


def _worth(rewards: list[RewardView] | None, overview: Overview | None, currency: str) -> str:
    """What all points together could become at the dearest exchange a merchant offers: what the
    programme may cost.
    """
    best = max((row.amount_off / row.cost for row in rewards or [] if row.is_active), default=None)
    if best is None or overview is None or not overview.outstanding:
        return ""
    return f"worth up to {wording.money(best * overview.outstanding, currency)} in rewards"


def _attention(letters: int | None, waiting: int | None, board: health.Board) -> list[Attention]:
    """What needs the merchant; None for what could not be read, so that all is never said to be
    well unseen.
    """
    found = []
    if letters is None or waiting is None:
        text = "The database is not answering. Nothing is lost, and this list fills by itself."
        found.append(
            Attention("critical", "What needs you cannot be read just now", text, "Status")
        )
    if letters:
        title = "1 event was set aside" if letters == 1 else f"{letters:,} events were set aside"
        it, them = ("It", "it") if letters == 1 else ("They", "them")
        text = f"{it} could not be handled. See why, and replay {them}."
        found.append(Attention("critical", title, text, "Review"))
    if waiting:
        title = (
            "1 reward is being prepared"
            if waiting == 1
            else f"{waiting:,} rewards are being prepared"
        )
        text = (
            "Their points are held until Shopify has made the discount code; Holdfast keeps "
            "trying by itself."
        )
        found.append(Attention("warning", title, text, "Status"))
    late = [
        PARTS[name][0].lower() for name in PARTS if health.service_notice(board, name) != "healthy"
    ]
    if board.is_remembered:
        text = "New orders are kept safe and add their points when it is back."
        found.append(Attention("warning", "The queue is not answering", text, "Status"))
    elif late:
        title = f"The {_joined(late)} {'service is' if len(late) == 1 else 'services are'} behind"
        text = "Work waits in order and is done when it is back; nothing is lost."
        found.append(Attention("warning", title, text, "Status"))
    return found


def _joined(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


@admin_page
async def status(visit: Visit) -> Response:
    return await _status(visit)


async def _status(visit: Visit, toast: str = "", status: int = 200) -> Response:
    page = pages.page_number(visit.request)
    letters, waiting, facts = await asyncio.gather(
        pages.attempt(lambda: _letters(visit.shop, page)),
        pages.attempt(lambda: lane.lane_depth(visit.stores.queue, visit.shop), LANES),
        pages.attempt(outbox.depth_and_age),
    )
    return pages.render(
        visit,
        "dashboard/status.html",
        heading="Status",
        status=status,
        toast=toast,
        parts=[_part(name, visit.board) for name in PARTS],
        circuits=sorted(breaker.states().items()),
        waiting="unknown" if waiting is None else f"{waiting:,}",
        outbox="unknown" if facts is None else f"{facts.waiting:,}",
        outbox_note=f"oldest for {wording.age(facts.age_seconds)}"
        if facts and facts.waiting
        else "of all stores",
        letters=letters,
    )


def _part(name: str, board: health.Board) -> Part:
    title, text = PARTS[name]
    line = board.get(name)
    if line is None or line.beat_at is None:
        return Part(title, text, "Not seen yet", "critical", "unknown", None)
    notice = health.service_notice(board, name)
    if board.is_remembered:
        return Part(title, text, "Unknown", "warning", "unknown", line.beat_at)
    state, tone = STATES[notice]
    lag = (
        "nothing"
        if line.lag_seconds < health.CAUGHT_UP_BELOW_SECONDS
        else wording.age(line.lag_seconds)
    )
    return Part(title, text, state, tone, lag if notice != "down" else "unknown", line.beat_at)


async def _letters(shop: str, page: int) -> Letters:
    found = await dead_letters.list_for_shop(shop, page)
    letters = [
        Letter(
            row.id,
            row.service,
            row.topic,
            row.reason,
            row.state,
            row.attempts,
            [
                {"at": datetime.fromisoformat(entry["at"]), "reason": entry["reason"]}
                for entry in row.history
            ],
            dead_letters.readable(row.payload),
            row.created_at,
            row.next_attempt_at,
        )
        for row in found.letters
    ]
    return Letters(letters, found.total, found.page, found.pages)


@admin_page
async def replay(visit: Visit) -> Response:
    """Try one dead letter of this shop again, or all of them."""
    letter_id = visit.request.path_params.get("letter_id")
    form = Form("replay-")
    if letter_id is not None and not re.fullmatch(r"[0-9]{1,19}", letter_id):
        raise NotFoundError("There is no such dead letter in this shop.")
    if letter_id is None:
        status = await forms.change(form, lambda: dead_letters.replay_all(visit.shop))
    else:
        status = await forms.change(form, lambda: dead_letters.replay(visit.shop, int(letter_id)))
    return await _status(visit, form.problems.get("", TRIED_AGAIN), status)


routes: list[BaseRoute] = [
    Route("/", home, name="home"),
    Route("/status", status, name="status"),
    Route("/status/replay", replay, methods=["POST"]),
    Route("/status/replay/{letter_id}", replay, methods=["POST"]),
]
