"""The daily verification: what `python -m workers.verify` checks, once a day and calmly, by one
process of all; it goes on where the one before it was stopped.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec

from app import db, rooms
from app.flow import verified
from app.flow.verified import Verified
from app.points.ledger import audit
from app.points.ledger.audit import Place
from app.points.ledger.report import Report
from app.resilience import deadline
from app.telemetry import logs
from workers import verify
from workers.verify import Asked, Completeness

LOOK_EVERY_SECONDS = 60.0
STEP_SECONDS_MAX = 60.0  # a step takes half a second; one that takes so long is not answered at all
REST = 4.0  # after each step so many times as long as it took: a fifth of the time at most
REST_SECONDS_MAX = 20.0
NAMED_MAX = 20  # problems in the log; the command names more

log = logs.logger()


@dataclass(slots=True)
class Run:
    """How far a run has come, and what it found up to there."""

    place: Place = audit.BEGINNING
    report: Report = field(default_factory=Report)
    found: Completeness = field(default_factory=Completeness)


async def verify_when_due(stores: db.Stores, stop: asyncio.Event) -> None:
    """Verify all shops if no process has for a day, and none is at it; until `stop` is set, or the
    turn is lost. Raises what a store raises: the next look goes on from there.
    """
    turn = verified.Turn(stores.queue)
    noted = await turn.take()
    if noted is None:
        return
    run = _gone_on_with(noted)
    with rooms.inside(rooms.AUDIT):
        steps = _steps(run, stores.config.event_secrets)
        while True:
            began = time.monotonic()
            place = await deadline.within(STEP_SECONDS_MAX, _next(steps))
            if place is None:
                break
            progress = b""
            if place.is_whole:
                run.place = place
                progress = msgspec.json.encode(run)
            seconds = time.monotonic() - began
            await deadline.pause(min(REST_SECONDS_MAX, REST * seconds), stop)
            if await turn.take(progress) is None or stop.is_set():
                return
    await turn.end(_told(run))


def _steps(run: Run, secrets: tuple[str, ...]) -> AsyncIterator[Place]:
    since = datetime.now(UTC).date() - timedelta(days=verify.DAYS)
    return verify.walk(Asked(None, since, run.place, 0.0), secrets, run.report, run.found)


async def _next(steps: AsyncIterator[Place]) -> Place | None:
    return await anext(steps, None)


def _gone_on_with(noted: bytes) -> Run:
    if not noted:
        return Run()
    try:
        return msgspec.json.decode(noted, type=Run)
    except msgspec.MsgspecError:  # of another release
        return Run()


def _told(run: Run) -> Verified:
    report = run.report
    told = verify.counted(report, run.found)
    tell = log.info if report.is_sound else log.error
    tell("verified", **msgspec.structs.asdict(told), named=report.problems[:NAMED_MAX])
    return told
