"""The operators' page: circuits, processes, the log and the queue of all shops; no merchant's menu
leads here.
"""

import asyncio
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from app import db, rooms
from app.core.reconciliation import reads as reconciled
from app.flow.bus import log as fact_log
from app.flow.bus.interface import Bus
from app.flow.lanes import durability
from app.resilience import breaker, health, reach
from app.resilience.guard import Resource
from app.services import PROCESSES, SERVICES
from app.web import operators, pages, views, wording

OPERATORS = Resource("operators' reads", room=rooms.ADMIN)
FLAGS_PATH = "/operator/flags"
HEADERS = {"Content-Security-Policy": "frame-ancestors 'none'", "Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class Process:
    """A line of the board, with the circuits of that process which are not closed."""

    name: str
    notice: str
    lag: str
    stuck: str
    is_database_reached: bool
    beat: str
    circuits: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class OnTheirWay:
    """Facts that a service has not read yet."""

    service: str
    count: int
    age: str


async def page(request: Request) -> Response:
    """Raises UnauthorizedError for strangers."""
    operators.admit(request)
    stores: db.Stores = request.state.stores
    bus: Bus = request.state.bus
    board, facts, holder, compared = await asyncio.gather(
        health.board(stores.queue),
        pages.attempt(lambda: _facts(bus), OPERATORS),
        pages.attempt(_holder, OPERATORS),
        pages.attempt(reconciled.of_all, OPERATORS),
    )
    known = durability.known()
    html = views.environment.get_template("admin/operator.html").render(
        flags_path=FLAGS_PATH,
        is_remembered=board.is_remembered,
        is_database_reached=reach.is_database_reached(),
        processes=[_process(name, board) for name in PROCESSES],
        circuits=sorted(breaker.states().items()),
        facts=facts,
        holder=holder[0] if holder else None,
        compared=compared,
        problems=known.problems if known else (),
        timezone="UTC",
        rendering="native",
    )
    return HTMLResponse(html, headers=HEADERS)


async def _facts(bus: Bus) -> list[OnTheirWay]:
    lags = [(one.name, await bus.lag(one.name, one.topics)) for one in SERVICES]
    return [
        OnTheirWay(name, lag.count, wording.age(lag.age_seconds) if lag.count else "nothing")
        for name, lag in lags
    ]


async def _holder() -> list[fact_log.Holder]:
    found = await fact_log.holder()
    return [found] if found else []


def _process(name: str, board: health.Board) -> Process:
    line = board[name]
    return Process(
        name,
        health.service_notice(board, name),
        wording.age(line.lag_seconds),
        wording.age(line.stuck_seconds) if line.stuck_seconds else "no",
        line.is_database_reached,
        line.beat_at.isoformat(timespec="seconds") if line.beat_at else "never",
        sorted((line.details.get("circuits") or {}).items()),
    )


routes: list[BaseRoute] = [Route("/operator", page)]
