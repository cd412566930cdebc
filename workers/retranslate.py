"""`python -m workers.retranslate --since WHEN --why TEXT [SHOP]`: shows what the webhooks that are
kept would change today; `--apply RUN` changes it, by movements.
"""

import argparse
import asyncio
import signal
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app import config, db, rooms
from app.core import reads as core_reads
from app.errors import HoldfastError
from app.flags import evaluation, known
from app.flow import event
from app.flow.bus import log as fact_log
from app.flow.kept import bodies, packing, retranslation, runs
from app.flow.kept.retranslation import ChangedMeanwhileError, Difference, Place, Window
from app.flow.kept.runs import Run
from app.points.corrections import actions as corrections
from app.points.corrections.actions import Preview
from app.resilience import failures
from app.services import SERVICES
from app.shopify import payloads
from workers import service

EVENTS_GATHERED_MAX = 20_000  # so that all facts of an order are decided together
SHOPS_MAX = 1_000  # named one by one
EXAMPLES = 5  # of a shop
WHY_LENGTH_MAX = 200
LAG_SECONDS_MAX = 1.0  # who is told first is who waits; what is told again has time
LAG_LOOK_SECONDS = 0.2
STARTS_AGAIN_MAX = 100  # in a row, because somebody else changed what was read
INTERRUPTED = 130
COMMAND = "python -m workers.retranslate"


class Interrupted(Exception):  # noqa: N818 - no error: somebody asked for it
    """The run was stopped; it goes on where it is noted to be."""


@dataclass(slots=True)
class Pace:
    """How calm a run is: it pauses `calm` times what each step took, and stops when asked to."""

    calm: float
    stop: asyncio.Event

    async def rest(self, seconds: float) -> None:
        """Raises Interrupted."""
        if seconds > 0:
            try:
                async with asyncio.timeout(seconds):
                    await self.stop.wait()
            except TimeoutError:
                pass
        if self.stop.is_set():
            raise Interrupted

    async def let_others_first(self) -> None:
        """Wait until every service has read what was told it before: for as long as one is stopped,
        too. Raises Interrupted.
        """
        for one in SERVICES:
            is_told = False
            while (await fact_log.lag(one.name, one.topics)).age_seconds > LAG_SECONDS_MAX:
                if not is_told:
                    tell_operator(f"waiting until {one.name} has read what came before")
                is_told = True
                await self.rest(LAG_LOOK_SECONDS)


def tell_operator(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201


async def look(number: int, run: Run, pace: Pace) -> dict[str, Any]:
    """The dry run: what would change, kept with the run as it goes on. Raises Interrupted."""
    found = run.found or {"webhooks": 0, "different": 0, "failed": 0, "sealed": 0, "shops": {}}
    gathered: list[event.Event] = []
    began = time.monotonic()
    async for one in retranslation.walk(
        run.window, run.place, payloads.translate, core_reads.known_shops
    ):
        _count(found, one)
        gathered += one.events
        if one.place.row == 0 or len(gathered) >= EVENTS_GATHERED_MAX:
            _fold(found, await corrections.preview(gathered))
            gathered.clear()
            await runs.keep_found(number, one.place, found)
        await pace.rest(pace.calm * (time.monotonic() - began))
        began = time.monotonic()
    await runs.end_looking(number)
    return found


async def tell(number: int, pace: Pace) -> int:
    """Tell again what the dry run found, beside the stream and behind it; how many facts were
    told in all. Raises Interrupted, and SystemExit when the run is not to be told.
    """
    await runs.load(number)
    if not await runs.begin_telling(number):
        raise SystemExit(f"Run {number} cannot be applied: its dry run is not done, or it was.")
    for _ in range(STARTS_AGAIN_MAX):
        run = await runs.load(number)
        place = run.place
        async for one in retranslation.walk(
            run.window, place, payloads.translate, core_reads.known_shops
        ):
            if not evaluation.is_on(known.RETRANSLATION, run.window.shop):
                tell_operator(f"the flag {known.RETRANSLATION.key} is off")
                raise Interrupted
            began = time.monotonic()
            if one.rows or one.events or one.place.row == 0:
                if one.events:
                    await pace.let_others_first()
                if not await _tell_one(number, place, one):
                    break
                place = one.place
            await pace.rest(pace.calm * (time.monotonic() - began))
        else:
            await runs.end_telling(number)
            return (await runs.load(number)).told
    raise SystemExit(
        f"Somebody else is at it: run {number} goes on with {COMMAND} --apply {number}"
    )


async def _tell_one(number: int, place: Place, one: Difference) -> bool:
    """Whether it was told; not when somebody else was at it: then it is read again."""
    try:
        async with db.transaction() as connection:
            await runs.keep_told(connection, number, place, one.place, len(one.events))
            await retranslation.tell(connection, one)
    except ChangedMeanwhileError:
        return False
    return True


def _count(found: dict[str, Any], one: Difference) -> None:
    for name in ("webhooks", "different", "failed", "sealed"):
        found[name] += getattr(one, name)


def _fold(found: dict[str, Any], preview: Preview) -> None:
    shops = found["shops"]
    for change in preview.changes:
        name = change.shop if change.shop in shops or len(shops) < SHOPS_MAX else "other shops"
        of_shop = shops.setdefault(name, {"orders": 0, "given": 0, "taken": 0, "examples": []})
        of_shop["orders"] += 1
        of_shop["given"] += max(0, change.after - change.before)
        of_shop["taken"] += max(0, change.before - change.after)
        if len(of_shop["examples"]) < EXAMPLES:
            who = f"{change.order_name or change.order_id} of customer {change.customer_id}"
            of_shop["examples"].append(f"{who}: {change.before:,} -> {change.after:,} points")
    for (shop, what), why in preview.refused[:EXAMPLES]:
        found.setdefault("refused", []).append(f"{shop}, {what}: {why}")


def say(number: int, run: Run, found: dict[str, Any]) -> None:
    """Print what would change, for a person."""
    window = run.window
    shops = found["shops"]
    lines = [
        f"Run {number}: {found['webhooks']:,} webhooks of {window.shop or 'all shops'} from "
        f"{window.since:%Y-%m-%d %H:%M} until {window.until:%Y-%m-%d %H:%M} UTC; "
        f"{found['different']:,} of them are told otherwise today, "
        f"{found['failed']:,} cannot be translated"
        + (f", {found['sealed']:,} rows cannot be opened" if found["sealed"] else "")
    ]
    for shop, one in sorted(shops.items(), key=lambda pair: -int(pair[1]["orders"])):
        lines.append(
            f"  {shop}: {one['orders']:,} orders would change, "
            f"{one['given']:,} points more and {one['taken']:,} less"
        )
        lines += [f"    {example}" for example in one["examples"]]
    lines += [f"  cannot be decided: {one}" for one in found.get("refused", [])]
    if found["different"] or window.is_whole:
        if not shops:
            lines.append("No points would change.")
        lines.append(f"Why, as merchants will read it: {window.why}")
        lines.append(f"To tell it again and move the points: {COMMAND} --apply {number}")
    else:
        lines.append("Nothing would change.")
    print(*lines, sep="\n")  # noqa: T201


async def main(given: argparse.Namespace) -> int:
    """Do what is asked, and print it; 0 when it is done, 130 when it was interrupted."""
    settings = config.load()
    event.use_secrets(settings.event_secrets)
    packing.use_keys(settings.token_keys)
    service.freeze_the_program()
    pace = Pace(max(0.0, given.calm), asyncio.Event())
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, pace.stop.set)
    rooms.current.set(rooms.AUDIT)
    async with db.open_stores(settings) as stores:
        await evaluation.begin(stores)
        watching = asyncio.create_task(evaluation.watch(stores, pace.stop))
        try:
            return await _main(given, pace)
        except HoldfastError as error:
            raise SystemExit(str(error)) from None
        except Exception as error:
            if not failures.is_passing(error):
                raise
            why = failures.reason(error)
            raise SystemExit(f"The database does not answer ({why}). {_how_to(given)}") from None
        finally:
            watching.cancel()


async def _main(given: argparse.Namespace, pace: Pace) -> int:
    if given.sizes:
        for one in await bodies.sizes():
            megabytes = one.bytes / 1e6
            print(f"{one.day}: {one.webhooks:,} webhooks, {megabytes:,.1f} MB")  # noqa: T201
        return 0
    try:
        if given.apply:
            told = await tell(given.apply, pace)
            print(  # noqa: T201
                f"Run {given.apply}: {told:,} facts told again; points follow them, and merchants "
                f"find every change under Corrections."
            )
            return 0
        if not given.go_on:
            shop, until = given.shop or "", given.until or datetime.now(UTC)
            window = Window(given.since, until, shop, given.why, is_whole=given.whole)
            given.go_on = await runs.make(window)
        run = await runs.load(given.go_on)
        say(given.go_on, run, await look(given.go_on, run, pace))
    except Interrupted:
        print(f"Not finished. {_how_to(given)}")  # noqa: T201
        return INTERRUPTED
    return 0


def _how_to(given: argparse.Namespace) -> str:
    """How to go on after an interruption, however that came."""
    if given.apply:
        return f"It goes on from where it is with {COMMAND} --apply {given.apply}"
    if given.go_on:
        return f"It goes on from where it is with {COMMAND} --go-on {given.go_on}"
    return "Nothing was looked at."


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _why(text: str) -> str:
    cleaned = " ".join(text.split())
    if not 0 < len(cleaned) <= WHY_LENGTH_MAX:
        raise argparse.ArgumentTypeError(f"say why, in {WHY_LENGTH_MAX} characters at most")
    return cleaned


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="workers.retranslate", description=__doc__)
    parser.add_argument("shop", nargs="?", help="of this shop alone")
    parser.add_argument("--since", type=_moment, help="received from then on; UTC unless it says")
    parser.add_argument("--until", type=_moment, help="received before then; by default now")
    parser.add_argument("--why", type=_why, help="the fault, in words for merchants")
    parser.add_argument(
        "--whole", action="store_true", help="also what is told as before: points decides it again"
    )
    parser.add_argument("--go-on", type=int, metavar="RUN", help="a dry run that was interrupted")
    parser.add_argument("--apply", type=int, metavar="RUN", help="tell again what a dry run found")
    parser.add_argument("--sizes", action="store_true", help="what is kept, by day")
    parser.add_argument("--calm", type=float, default=0.25, help="pause so many times each step")
    given = parser.parse_args()
    is_new = given.since is not None
    if sum((is_new, given.go_on is not None, given.apply is not None, given.sizes)) != 1:
        parser.error("give --since (with --why), --go-on, --apply or --sizes")
    if is_new and not given.why:
        parser.error("--since needs --why: merchants are told")
    return given


if __name__ == "__main__":
    sys.exit(asyncio.run(main(_arguments())))
