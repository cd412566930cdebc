"""Health: one sentence of how Holdfast is, the parts of it that merchants know, and what waits for
them.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.admin import analytics, letters
from app.core.reconciliation import reads as reconciled
from app.core.reconciliation.reads import Progress
from app.flow import set_aside, verified
from app.flow.lanes import backlog, durability, nodes
from app.points.members import reads as points_reads
from app.resilience import health, reach
from app.resilience.guard import Resource
from app.services import PROCESSES
from app.shopify import reach as shopify_reach
from app.telemetry import choices
from app.web import pages, wording
from app.web.banners import Banner
from app.web.pages import Page, Visit, admin_page

STATES = {
    "healthy": ("Running", "success"),
    "late": ("Behind", "warning"),
    "down": ("Not answering", "critical"),
}
STUCK = "Standing still"  # it has work before it and finishes none; a watchdog starts it again
CUT_OFF = "Not reaching the database"
LOST = ("The queue lost what was waiting in it", "The database was put back to an earlier moment")
LANES = Resource("lanes")


@dataclass(frozen=True, slots=True)
class Part:
    """A row: something that can be away by itself."""

    title: str
    text: str
    state: str
    tone: str
    behind: str = ""


@dataclass(frozen=True, slots=True)
class Signs:
    """Which of what the parts stand on answer."""

    is_database_reached: bool
    is_queue_reached: bool
    is_shopify_reached: bool


@admin_page
async def page(visit: Visit) -> Response:
    return await show(visit)


async def show(visit: Visit, *, toast: str = "", status: int = 200) -> Response:
    """The page, also as the answer to what was done on it."""
    state = visit.request.state
    choice = asyncio.ensure_future(pages.attempt(lambda: choices.is_off(visit.shop)))
    aside, waiting, stuck, checked, lost, is_shopify_reached = await asyncio.gather(
        pages.attempt(lambda: set_aside.of_shop(visit.shop)),
        pages.attempt(lambda: _waiting(visit), LANES),
        pages.attempt(lambda: points_reads.stuck_rewards(visit.shop)),
        pages.attempt(lambda: _checked(visit), LANES),
        pages.attempt(lambda: reconciled.progress(visit.shop)),
        shopify_reach.is_shopify_reached(state.client, state.config, visit.shop),
    )
    signs = Signs(reach.is_database_reached(), not visit.board.is_remembered, is_shopify_reached)
    parts = [_part(name, visit.board) for name in PROCESSES]
    return pages.render(
        visit,
        "admin/health.html",
        heading="Health",
        notes=[
            *(checked.notes if checked else ()),
            *_queue_notes(lost or [], visit.timezone),
            *_backlog_notes(waiting, visit.timezone),
        ],
        status=status,
        toast=toast,
        sentence=sentence(signs, parts),
        parts=[*_stores(signs), *parts],
        waiting="unknown" if waiting is None else f"{waiting.waiting:,}",
        checked=checked,
        aside=aside,
        about=letters.subjects,
        stuck=stuck,
        is_told_off=await choice,
    )


def sentence(signs: Signs, parts: Sequence[Part]) -> Part:
    """How Holdfast is, in one sentence: the worst first, and never worse than it is."""
    away = [
        name
        for name, is_reached in (
            ("database", signs.is_database_reached),
            ("queue", signs.is_queue_reached),
        )
        if not is_reached
    ]
    if len(away) > 1:
        return Part(
            "The database and the queue are not answering; nothing is lost",
            "Shopify keeps new orders and sends them again. Pages show what was last known.",
            "",
            "critical",
        )
    if "database" in away:
        return Part(
            "The database is not answering; nothing is lost",
            "New orders are taken in and add their points when it is back. Pages show the last "
            "known figures, and changes cannot be saved until then.",
            "",
            "critical",
        )
    if away:
        return Part(
            "The queue is not answering; nothing is lost",
            "New orders are kept in the database instead and add their points when it is back.",
            "",
            "warning",
        )
    if not signs.is_shopify_reached:
        return Part(
            "Shopify is not answering; nothing is lost",
            "Points go on. Codes for rewards are made as soon as it is back; their points are "
            "held until then.",
            "",
            "warning",
        )
    late = [part.title.lower() for part in parts if part.tone != "success"]
    if late:
        return Part(
            f"Some of Holdfast is behind ({', '.join(late)}); nothing is lost",
            "Work waits in order and is done when it is back.",
            "",
            "warning",
        )
    return Part("Everything works", "Orders become points within seconds.", "", "good")


def _stores(signs: Signs) -> list[Part]:
    rows = (
        ("Shopify", "sends orders and makes the codes of rewards", signs.is_shopify_reached),
        ("Database", "keeps every point and where it came from", signs.is_database_reached),
        ("Queue", "holds what Shopify sends until it is handled", signs.is_queue_reached),
    )
    return [
        Part(title, text, *(("Answering", "success") if is_up else ("Not answering", "critical")))
        for title, text, is_up in rows
    ]


def _part(name: str, board: health.Board) -> Part:
    _, title, text, _ = PROCESSES[name]
    line = board.get(name)
    if line is None or line.beat_at is None:
        return Part(title, text, "Not seen yet", "critical", "unknown")
    if board.is_remembered:
        return Part(title, text, "Unknown", "warning", "unknown")
    notice = health.service_notice(board, name)
    state, tone = STATES[notice]
    if notice == "late" and not line.is_database_reached:
        state, tone = CUT_OFF, "critical"
    elif notice == "late" and health.is_stuck(line):
        state = STUCK
    is_measured = notice != "down" and line.is_database_reached
    return Part(title, text, state, tone, _behind(line) if is_measured else "unknown")


def _behind(line: health.ServiceHealth) -> str:
    behind_seconds = max(line.lag_seconds, line.stuck_seconds)
    if behind_seconds < health.CAUGHT_UP_BELOW_SECONDS:
        return "nothing"
    return wording.age(behind_seconds)


async def _waiting(visit: Visit) -> backlog.Backlog:
    node = nodes.of(visit.stores, visit.shop)
    return await backlog.backlog(node.lane, node.config, visit.shop)


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
        f"Found at {when} among {text}. Whoever runs Holdfast finds what it is in its log; "
        "nothing is changed by itself."
    )
    return Checked(when, said, [Banner("critical", f"Verification: {problems}", advice)])


def _queue_notes(lost: list[Progress], timezone: str) -> list[Banner]:
    """That the queue may lose what it holds, and what it has lost."""
    found = []
    known = durability.known()
    if known is not None and known.problems:
        text = "Whoever runs Holdfast finds on the operator's page what to set."
        found.append(Banner("critical", "The queue may lose what it holds", text))
    return [*found, *(_loss_note(one, timezone) for one in lost)]


def _loss_note(one: Progress, timezone: str) -> Banner:
    """What was lost, and how far it is compared with Shopify."""
    loss = one.noted.loss
    began, ended = (wording.clock(at, timezone) for at in (loss.lost_from, loss.noticed_at))
    window = f"at {began}" if began == ended else f"between {began} and {ended}"
    title = LOST[loss.kind == "database"]
    # a look that begins again counts from nothing what it has found
    found = f"{one.told:,} of {max(one.found, one.told):,} orders were missing and are told again"
    if one.is_done:
        text = f"What came {window} is compared with Shopify: {found}."
        return Banner("info", title, text)
    text = f"What came {window} may be missing until it has been compared with Shopify"
    if one.looks or one.found:
        text += f"; so far {found}"
    return Banner("warning", title, f"{text}.")


def _backlog_notes(waiting: backlog.Backlog | None, timezone: str) -> list[Banner]:
    """That this store's own orders wait, and since when its figures are behind."""
    if waiting is None or waiting.behind_since is None:
        return []
    text = f"This store's figures are as of {wording.clock(waiting.behind_since, timezone)}."
    title = f"{waiting.waiting:,} messages from Shopify are waiting"
    return [Banner("warning", title, text)]


routes: list[BaseRoute] = [
    Page("/health", page, "Health"),
    Route("/status", page),  # what it was called before; pages open in a tab still ask for it
    *letters.routes(show),
    *analytics.routes(show),
]
