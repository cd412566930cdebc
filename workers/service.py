"""What all workers have in common: settings, signals, event loop, a prompt end, and a heartbeat."""

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import uvloop

from app import config as settings
from app import db, rooms, rotation
from app.flags import evaluation
from app.resilience import deadline, health, levels, reach, watchdog
from app.resilience.deadline import pause
from app.resilience.failures import is_passing, reason
from app.resilience.progress import Progress
from app.telemetry import logs, metrics, reports

STOP_SECONDS = 4.0
MEASURE_SECONDS = 1.5  # with the pause between two beats still well before a reader gives us up

log = logs.logger()

Work = Callable[[db.Stores, asyncio.Event], Awaitable[None]]


def start(process: str, work: Work) -> None:
    """Run `work(stores, stop)` as the process named `process` until SIGTERM or SIGINT sets
    `stop`.
    """
    config = settings.load()
    logs.setup(process, config)
    if config.metrics_port:
        metrics.serve(config.metrics_port, config.host)
    freeze_the_program()
    rotation.use(config)
    uvloop.run(_run(config, work))
    reports.flush()


def freeze_the_program() -> None:
    """What was imported stays: no collection walks it again."""
    gc.collect()
    gc.freeze()


async def _run(config: settings.Config, work: Work) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with db.open_stores(config) as stores:
        await evaluation.begin(stores)
        watching = asyncio.ensure_future(evaluation.watch(stores, stop))
        log.info("started")
        rotating = asyncio.create_task(rotation.watch(config))
        working = asyncio.ensure_future(work(stores, stop))
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        rotating.cancel()
        try:
            # what is cut off here was not acknowledged, and comes again
            await asyncio.wait_for(working, STOP_SECONDS)
        except TimeoutError:
            log.warning("stopped in the middle of its work", seconds=STOP_SECONDS)
        watching.cancel()
        log.info("stopped")


async def together(*parts: Awaitable[None]) -> None:
    """Run the parts of a worker side by side; when one fails the others are stopped and the
    process ends.
    """
    async with asyncio.TaskGroup() as group:
        for part in parts:
            group.create_task(_awaited(part))


async def _awaited(part: Awaitable[None]) -> None:
    await part


async def beat(
    stores: db.Stores,
    service: str,
    lag_seconds: Callable[[], Coroutine[Any, Any, float]],
    stop: asyncio.Event,
    progress: Progress | None = None,
) -> None:
    """Tell the health board every second that this service lives, how far behind it is, whether it
    gets on, and whether it reaches the database, which is asked beside.

    With `progress`, which its work must then call `made()` on, a process that is stuck is ended.
    """
    await together(reach.watch(stop), _beat(stores, service, lag_seconds, stop, progress))


async def _beat(
    stores: db.Stores,
    service: str,
    lag_seconds: Callable[[], Coroutine[Any, Any, float]],
    stop: asyncio.Event,
    progress: Progress | None,
) -> None:
    rooms.current.set(rooms.HEALTH)  # of this task alone
    known = progress or Progress()
    with watchdog.watching(progress):
        while not stop.is_set():
            await _measure(lag_seconds, known)
            is_told = await health.beat(
                stores.queue,
                service,
                known.lag_seconds,
                {"release": stores.config.release},
                since_progress_seconds=progress.since_made_seconds() if progress else None,
                stuck_seconds=progress.stuck_seconds() if progress else 0.0,
            )
            if not is_told:
                known.unknown()
            levels.tell(service, stores)
            await pause(health.BEAT_EVERY_SECONDS, stop)


async def _measure(
    lag_seconds: Callable[[], Coroutine[Any, Any, float]], progress: Progress
) -> None:
    if not reach.is_database_reached():
        progress.unknown()  # known already, so that the beat is not late, too
        return
    try:
        seconds = await deadline.within(MEASURE_SECONDS, lag_seconds())
        if progress.stuck_seconds() > health.STUCK_AFTER_SECONDS:
            await deadline.within(MEASURE_SECONDS, _write_is_possible())
    except Exception as error:  # noqa: BLE001 - a worker without its stores is alive, and late
        progress.unknown()
        if not is_passing(error):
            log.warning("lag not known", reason=reason(error))
    else:
        progress.lag(seconds)


async def _write_is_possible() -> None:
    """Raises when nobody can get on, whatever this process does; Redis has the beat for that."""
    async with db.connection() as connection:
        if await connection.fetchval("SHOW transaction_read_only") != "off":
            raise ConnectionError("Postgres takes no writes")


async def every(seconds: float, work: Callable[[], Awaitable[object]], stop: asyncio.Event) -> None:
    """Do `work` now and then every `seconds`; a failure is logged, and its turn comes again."""
    rooms.current.set(rooms.TIMED)  # of this task alone
    while not stop.is_set():
        try:
            with metrics.timed(work.__name__):
                await work()
        except Exception as error:  # noqa: BLE001 - timed work is repeated anyway
            log.warning("timed work failed", work=work.__name__, reason=reason(error))
        await pause(seconds, stop)
