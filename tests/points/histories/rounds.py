"""Many histories side by side, each in a shop of its own: what they tell at a moment is one batch,
as it is on the road, and what time does is done for all of them at once.
"""

import itertools
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from unittest.mock import patch

from app import db
from app.flow.event import Event
from app.points import handlers, welcome
from app.points.earning.campaigns import copies, late
from app.points.ledger import expiry, totals
from app.points.ledger.audit import verify
from app.points.rewards import issuing, redemption
from app.points.tiers import passing, recounting, schemes
from app.points.ways import birthdays
from tests.points.histories.clock import Clock
from tests.points.histories.comparing import compare
from tests.points.histories.facts import Told
from tests.points.histories.making import LONG, History, times
from tests.points.histories.run import Run
from tests.points.histories.shopify import Shopify

TOGETHER = 50
AWAY = timedelta(days=6)
DUE = (
    "SELECT id::text, state FROM redemptions WHERE next_attempt_at <= $1 ORDER BY created_at, title"
)


@dataclass
class Played:
    """How many steps were taken, and which histories differ, with the step and what it is."""

    steps: int = 0
    differing: dict[int, tuple[int, str]] = field(default_factory=dict)

    @contextmanager
    def noting(self, run: Run, number: int) -> Iterator[None]:
        """Whatever goes wrong is that history's."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - it is what is looked for
            where = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{where.filename.rpartition('/')[2]}:{where.lineno}"
            self.differing.setdefault(run.history.number, (number, f"{error!r} ({place})"))


async def play(histories: Sequence[History], clock: Clock, stores: db.Stores) -> Played:
    """Tell these histories, whose numbers are of one round, comparing after each step. One that
    differs is left there, and the others go on.
    """
    shopify = Shopify(stores)
    runs = [Run(one, clock, shopify) for one in histories]
    played = Played()
    with ExitStack() as changed:
        for name in ("create", "find", "take_back"):
            changed.enter_context(patch.object(issuing, name, getattr(shopify, name)))
        for run in runs:
            await run.start()
        passing_by = iter(times(histories[0].number // TOGETHER))
        for number in itertools.count():
            runs = [run for run in runs if run.history.number not in played.differing]
            if all(number >= len(run.history.steps) for run in runs):
                break  # all of them differ, or there is no more
            await _pass(next(passing_by), clock, runs)
            told = []
            for run in runs:
                if number < len(run.history.steps):
                    played.steps += 1
                    with played.noting(run, number):
                        told.append((run, await run.step(run.history.steps[number])))
            await _tell(told, runs, played, number)
        await clock.advance(timedelta(days=1))
        await _tell([(run, run.last()) for run in runs], runs, played, number)
        for run in runs:
            with played.noting(run, number):
                report = await verify(run.shop)
                assert report.is_sound, report.problems
    return played


async def _pass(time: timedelta, clock: Clock, runs: Sequence[Run]) -> None:
    """Nobody who does what time asks for is away for more than some days."""
    if time >= LONG:
        schemes.forget()  # as processes do that begin anew
        copies._remembered.clear()
    while time:
        part = min(time, AWAY)
        time -= part
        await clock.advance(part)
        for run in runs:
            run.model.now = clock.at
        if part >= LONG:
            await _sweep(clock, runs)
            await _timed(clock)
            for run in runs:
                run.model.sweep()
                run.model.pass_time()


async def _sweep(clock: Clock, runs: Sequence[Run]) -> None:
    async with db.connection() as conn:
        due = await conn.fetch(DUE, clock.at)
    shopify = runs[0].shopify
    for row in due:
        await redemption.BRING[row["state"]](shopify.stores, shopify.client, row["id"])


async def _tell(
    told: Sequence[tuple[Run, list[Told]]], runs: Sequence[Run], played: Played, number: int
) -> None:
    facts = [fact for _, some in told for fact, _ in some]
    try:
        await _handle(facts)
    except Exception:  # noqa: BLE001 - looked at one by one
        for run, some in told:
            with played.noting(run, number):
                await _handle([fact for fact, _ in some])
    for run, some in told:
        with played.noting(run, number):
            run.model.tell([one for _, heard in some for one in heard])
    if not runs:
        return
    await _timed(runs[0].clock)
    going_on = [run for run in runs if run.history.number not in played.differing]
    for run in going_on:
        with played.noting(run, number):
            run.model.pass_time()
    for run, differs in await compare(going_on):
        with played.noting(run, number):
            raise AssertionError(differs)
    if number % 3 == 0:
        await totals.fold()


async def _handle(facts: Sequence[Event]) -> None:
    if facts:
        async with db.transaction() as conn:
            await handlers.handle(conn, facts)


async def _timed(clock: Clock) -> None:
    """What the process of points does besides reading facts."""
    while await recounting.go_on():
        pass
    for change in (expiry.end_hold_backs, expiry.expire_due, birthdays.give_due, passing.pass_time):
        while await change(clock.at):
            pass
    await welcome.go_on(clock.at)
    while await late.go_on():
        pass
