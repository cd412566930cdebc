"""`python -m workers.verify [SHOP] [--days 2] [--from PLACE] [--calm 0] [--at-once CORES]
[--note]`: prints what verification found; exits with 1 when anything does not add up.
"""

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import asyncpg
from redis.exceptions import RedisError

from app import config, db, rooms
from app.flow import event, verified
from app.flow.bus import audit as log_audit
from app.flow.verified import Verified
from app.points import handlers
from app.points.ledger import audit, beside, heads
from app.points.ledger.audit import Place
from app.points.ledger.pace import Pace
from app.points.ledger.report import Report
from app.resilience import failures
from app.telemetry.carriers import request_id_of

LOG = "log"
STAGES = (*audit.STAGES, LOG)
WEBHOOK, FACT = "orders/paid", "order.paid"
# an order that is not paid, or cancelled by now, says so itself
OTHER_FACTS = ("order.created", "order.updated", "order.cancelled")
AT_ONCE = min(os.cpu_count() or 1, rooms.AUDIT.connections)  # the work is that of Postgres
DAYS, DAYS_MAX = 2, 13  # the log keeps 14
INTERRUPTED = 130
TOLD_EVERY_SECONDS = 10.0
TOLD_EVERY_SECONDS_ON_A_SCREEN = 0.5
SCREEN = 78  # characters of its line


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be verified: one shop or all, how many days of the log, from where on."""

    shop: str | None
    since: date
    place: Place
    calm: float
    at_once: int = 1  # ranges of members, or grants


@dataclass(slots=True)
class Completeness:
    """What became of paid orders: webhooks with their fact, facts with their grant."""

    receipts: int = 0
    orders: int = 0  # that points has read
    stated: int = 0  # of those, set aside with a reason
    waiting: int = 0  # on their way to points
    incomplete: int = 0  # webhooks without their fact, facts with neither award nor reason


class Progress:
    """One line on the screen that is written over; in a log, a line now and then."""

    def __init__(self) -> None:
        self.began = self.told = time.monotonic()
        self.is_screen = sys.stderr.isatty()

    def tell(self, report: Report, place: Place) -> None:
        now = time.monotonic()
        every = TOLD_EVERY_SECONDS_ON_A_SCREEN if self.is_screen else TOLD_EVERY_SECONDS
        if now - self.told < every:
            return
        self.told = now
        what = f"{report.members:,} of about {max(report.about, report.members):,} members"
        if place.stage != audit.MEMBERS_STAGE:
            what = f"{report.members:,} members, now {place.stage}"
        line = f"{what}, {now - self.began:.0f} s"
        sys.stderr.write(f"\r{line:<{SCREEN}}" if self.is_screen else f"{line}\n")
        sys.stderr.flush()

    def over(self) -> float:
        """Leave the screen clean; how many seconds it took."""
        if self.is_screen:
            sys.stderr.write(f"\r{'':<{SCREEN}}\r")
        return time.monotonic() - self.began


async def main(asked: Asked, *, forget_heads: bool = False, is_noted: bool = False) -> int:
    """Verify what is asked, and print it; with `is_noted` status and alerts tell it, too.

    0 when all is well, 1 when not, 130 when interrupted.
    """
    settings = config.load()
    event.use_secrets(settings.event_secrets)
    report, found, progress, place = Report(), Completeness(), Progress(), asked.place
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    rooms.current.set(rooms.AUDIT)
    async with db.open_stores(settings) as stores:
        try:
            if forget_heads:
                await heads.forget(asked.shop)
            async for place in walk(asked, settings.event_secrets, report, found):
                progress.tell(report, place)
                if stop.is_set():
                    break
        except Exception as error:
            is_away = failures.is_passing(error)
            if not is_away and not isinstance(error, asyncpg.QueryCanceledError):
                raise
            seconds, why = progress.over(), failures.reason(error)
            if place == asked.place:
                raise SystemExit(
                    f"The database does not answer ({why}); nothing was verified."
                ) from None
            say(report, found, seconds)
            raise SystemExit(f"The database does not answer ({why}). {go_on(place)}") from None
        if is_noted and not stop.is_set():
            await _note(stores, counted(report, found))
    say(report, found, progress.over())
    if stop.is_set():
        print(go_on(place))  # noqa: T201
    return 1 if not report.is_sound else INTERRUPTED if stop.is_set() else 0


def counted(report: Report, found: Completeness) -> Verified:
    """What a run found, as status and alerts tell it."""
    return Verified(
        report.members,
        report.rows,
        report.drift,
        report.broken_chains,
        found.orders,
        found.incomplete,
        len(report.problems) + report.unnamed,
    )


async def _note(stores: db.Stores, found: Verified) -> None:
    """So that status and alerts say what was found now, and not what the last daily run found."""
    try:
        await verified.note(stores.queue, found)
    except (RedisError, OSError) as error:
        why = type(error).__name__
        print(f"Status will not say so: Redis does not answer ({why}).")  # noqa: T201


async def walk(
    asked: Asked, secrets: tuple[str, ...], report: Report, found: Completeness
) -> AsyncIterator[Place]:
    """The balances, then the way of paid orders; yields where to go on."""
    if asked.place.stage != LOG:
        pace = Pace(asked.calm, asked.at_once)
        async for place in audit.walk(report, asked.shop, secrets, asked.place, pace):
            yield place
    first_part = int(asked.place.at or 0) if asked.place.stage == LOG else 0
    question = log_audit.Question(
        WEBHOOK, FACT, handlers.SERVICE, asked.since, asked.shop, OTHER_FACTS
    )
    part = None
    async for batch in log_audit.walk(question, first_part):
        if batch.part != part:
            part = batch.part
            yield Place(LOG, str(part))
        await check(batch, report, found)
        yield Place(LOG, str(part), is_whole=False)


async def check(batch: log_audit.Batch, report: Report, found: Completeness) -> None:
    """Every webhook of a paid order has its fact, and every fact its grant or a stated reason."""
    found.receipts += batch.receipts
    found.orders += len(batch.read)
    found.waiting += batch.waiting
    found.incomplete += len(batch.without_fact) + len(batch.unreadable)
    for shop, request_id in batch.without_fact:
        report.add(
            f"{shop}: the paid order of request {request_id} is received, but not in the log"
        )
    for reference in batch.unreadable:
        report.add(f"entry {reference} of the log cannot be read, and was not set aside")
    missing = await beside.without_grant(batch.read) if batch.read else []
    lost = await log_audit.without_reason(handlers.SERVICE, missing)
    found.stated += len(missing) - len(lost)
    found.incomplete += len(lost)
    for one in lost:
        report.add(
            f"{one.shop}: the paid order of request {request_id_of(one.trace)} was handed to "
            f"points, but has neither a grant nor a reason why not"
        )


def say(report: Report, found: Completeness, seconds: float) -> None:
    """Print what was found, for a person: one line when all is well."""
    problems = len(report.problems) + report.unnamed
    line = (
        f"{report.members} members, {report.rows} ledger rows: drift {report.drift}, "
        f"broken chains {report.broken_chains}, {problems} problems; "
        f"{report.compared} heads of chains as published before; "
        f"{found.orders} paid orders of {found.receipts} webhooks handed to points"
    )
    if found.stated:
        line += f", {found.stated} set aside with a reason"
    if found.waiting:
        line += f", {found.waiting} on their way"
    print(f"{line} ({seconds:.1f} s)", *report.problems, sep="\n  ")  # noqa: T201
    if report.unnamed:
        print(f"  ... and {report.unnamed} more")  # noqa: T201


def go_on(place: Place) -> str:
    return (
        f"Not finished: what is above is of the part that was. "
        f"The same command goes on from there with --from {place.stage}:{place.at}"
    )


def place_of(text: str) -> Place:
    stage, _, at = text.partition(":")
    is_number = at.isdigit() or not at
    if stage not in STAGES or (stage in {audit.MEMBERS_STAGE, LOG} and not is_number):
        raise argparse.ArgumentTypeError(f"{text} is no place that an interrupted run has printed")
    return Place(stage, at)


def _days(text: str) -> date:
    days = int(text)
    if not 0 <= days <= DAYS_MAX:
        raise argparse.ArgumentTypeError(f"days must be from 0 to {DAYS_MAX}")
    return datetime.now(UTC).date() - timedelta(days=days)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="workers.verify", description=__doc__)
    parser.add_argument("shop", nargs="?", help="verify this shop alone")
    parser.add_argument("--days", type=_days, default=str(DAYS), help="of the log, besides today")
    parser.add_argument(
        "--from", dest="place", type=place_of, default=audit.MEMBERS_STAGE, metavar="PLACE"
    )
    parser.add_argument("--calm", type=float, default=0.0, help="pause so many times each step")
    parser.add_argument(
        "--at-once", type=int, choices=range(1, rooms.AUDIT.connections + 1), default=AT_ONCE
    )
    parser.add_argument("--forget-heads", action="store_true", help="publish heads of chains anew")
    parser.add_argument(
        "--note", action="store_true", help="as the daily run: status and alerts tell what it found"
    )
    given = parser.parse_args()
    if given.note and (given.shop or given.place != audit.BEGINNING):
        parser.error("what is noted is a run over all shops, from the beginning")
    wanted = Asked(given.shop, given.days, given.place, max(0.0, given.calm), given.at_once)
    sys.exit(asyncio.run(main(wanted, forget_heads=given.forget_heads, is_noted=given.note)))
