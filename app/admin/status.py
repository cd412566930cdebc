"""Status: what Holdfast says about itself, and what it set aside."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.errors import NotFoundError
from app.flow import dead_letters, shown_letters, verified
from app.flow.bus import log as fact_log
from app.flow.bus.interface import Bus
from app.flow.lanes import backlog, durability, epoch
from app.resilience import breaker, health
from app.resilience.guard import Resource
from app.services import PROCESSES, SERVICES
from app.web import forms, pages, wording
from app.web.banners import Banner
from app.web.forms import Form
from app.web.pages import Page, Visit, admin_page

STATES = {
    "healthy": ("Running", "success"),
    "late": ("Behind", "warning"),
    "down": ("Not answering", "critical"),
}
STUCK = "Standing still"  # it has work before it and finishes none; a watchdog starts it again
CUT_OFF = "Not reaching the database"
TRIED_AGAIN = "It is being tried again now"
LANES = Resource("lanes")


@dataclass(frozen=True, slots=True)
class Part:
    """A service as the status page shows it."""

    title: str
    text: str
    state: str
    tone: str
    lag: str
    beat_at: datetime | None


@admin_page
async def status(visit: Visit) -> Response:
    return await _status(visit)


async def _status(visit: Visit, toast: str = "", status: int = 200) -> Response:
    page = pages.page_number(visit.request)
    letters, waiting, facts, checked = await asyncio.gather(
        pages.attempt(lambda: shown_letters.list_for_shop(visit.shop, page)),
        pages.attempt(
            lambda: backlog.backlog(visit.stores.queue, visit.stores.config, visit.shop), LANES
        ),
        pages.attempt(lambda: _facts(visit)),
        pages.attempt(lambda: _checked(visit), LANES),
    )
    lost = await pages.attempt(epoch.losses)
    return pages.render(
        visit,
        "admin/status.html",
        heading="Status",
        notes=[
            *(checked.notes if checked else ()),
            *_redis_notes(lost or [], visit.timezone),
            *_backlog_notes(waiting, visit.timezone),
        ],
        status=status,
        toast=toast,
        parts=[_part(name, visit.board) for name in PROCESSES],
        circuits=sorted(breaker.states().items()),
        waiting="unknown" if waiting is None else f"{waiting.waiting:,}",
        on_their_way="unknown" if facts is None else f"{facts.count:,}",
        on_their_way_note=f"oldest for {wording.age(facts.age_seconds)}"
        if facts and facts.count
        else "of all stores",
        holder=facts.holder if facts else None,
        checked=checked,
        letters=letters,
    )


@dataclass(frozen=True, slots=True)
class OnTheirWay:
    """Facts that a service has not read yet, of the service that is furthest behind."""

    count: int
    age_seconds: float
    holder: fact_log.Holder | None


async def _facts(visit: Visit) -> OnTheirWay:
    bus: Bus = visit.request.state.bus
    lags = [await bus.lag(one.name, one.topics) for one in SERVICES]
    worst = max(lags, key=lambda lag: lag.age_seconds)
    holder = await fact_log.holder() if worst.age_seconds > fact_log.HELD_UP_AFTER_SECONDS else None
    return OnTheirWay(worst.count, worst.age_seconds, holder)


@dataclass(frozen=True, slots=True)
class Checked:
    """When everything was last verified, and what that found; `notes` where it does not add up."""

    when: str
    text: str
    notes: Sequence[Banner] = ()


async def _checked(visit: Visit) -> Checked:
    known = await verified.last(visit.stores.queue)
    if known is None:
        return Checked("not yet", "once a day")
    found = known.found
    when = wording.clock(known.ended_at, visit.timezone)
    text = f"{found.members:,} members and {found.orders:,} paid orders of all stores"
    if found.problems == 0:
        return Checked(when, f"{text}: everything adds up")
    said = f"{text}: wrong balances {found.drift:,}, incomplete orders {found.incomplete:,}"
    problems = (
        f"{found.problems:,} {'thing does' if found.problems == 1 else 'things do'} not add up"
    )
    advice = (
        f"Found at {when} among {text}. Whoever runs Holdfast finds what it is in the log of the "
        "relay; nothing is changed by itself."
    )
    return Checked(when, said, [Banner("critical", f"Verification: {problems}", advice)])


def _redis_notes(lost: list[epoch.Loss], timezone: str) -> list[Banner]:
    """What Redis may lose, and what it has lost."""
    found = []
    known = durability.known()
    if known is not None and known.problems:
        found.append(Banner("critical", "The queue may lose webhooks", " ".join(known.problems)))
    for loss in lost:
        window = (
            f"between {wording.clock(loss.lost_from, timezone)} and "
            f"{wording.clock(loss.noticed_at, timezone)}"
        )
        text = f"What came {window} may be missing until it has been compared with Shopify."
        found.append(Banner("warning", "The queue lost webhooks that were waiting", text))
    return found


def _backlog_notes(waiting: backlog.Backlog | None, timezone: str) -> list[Banner]:
    """That this store's own webhooks wait, and since when its figures are behind."""
    if waiting is None or waiting.behind_since is None:
        return []
    text = f"This store's figures are as of {wording.clock(waiting.behind_since, timezone)}."
    return [Banner("warning", f"{waiting.waiting:,} webhooks of this store are waiting", text)]


def _part(name: str, board: health.Board) -> Part:
    _, title, text, _ = PROCESSES[name]
    line = board.get(name)
    if line is None or line.beat_at is None:
        return Part(title, text, "Not seen yet", "critical", "unknown", None)
    notice = health.service_notice(board, name)
    if board.is_remembered:
        return Part(title, text, "Unknown", "warning", "unknown", line.beat_at)
    state, tone = STATES[notice]
    if notice == "late" and not line.is_database_reached:
        state, tone = CUT_OFF, "critical"
    elif notice == "late" and health.is_stuck(line):
        state = STUCK
    is_measured = notice != "down" and line.is_database_reached
    return Part(title, text, state, tone, _lag(line) if is_measured else "unknown", line.beat_at)


def _lag(line: health.ServiceHealth) -> str:
    behind_seconds = max(line.lag_seconds, line.stuck_seconds)
    if behind_seconds < health.CAUGHT_UP_BELOW_SECONDS:
        return "nothing"
    return wording.age(behind_seconds)


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
    Page("/status", status, "Status"),
    Route("/status/replay", replay, methods=["POST"]),
    Route("/status/replay/{letter_id}", replay, methods=["POST"]),
]
