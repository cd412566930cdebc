"""Runs the jobs of one queue on arq, through losses of Redis, until told to stop."""

import asyncio
import functools
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from arq.cron import CronJob, cron
from arq.worker import Function, Retry, Worker, func
from redis.exceptions import RedisError

from app.config import Config
from app.flow import jobs
from app.resilience.deadline import pause
from app.telemetry import logs, metrics, traces

Job = Callable[..., Awaitable[Any]]  # async (ctx, *args)

POLL_SECONDS = 0.05
JOB_TIMEOUT_SECONDS = 20  # a killed worker's job comes back only ten seconds after this
TRIES_MAX = 5
JOBS_AT_ONCE_MAX = 10
HEALTH_SECONDS = 10
STOP_SECONDS = 5.0
CANCEL_AGAIN_SECONDS = 1.0
RECONNECT_SECONDS_MAX = 5.0
MINUTE_SECONDS = 60

log = logs.logger()


def every(seconds: int, function: Job, *, timeout_seconds: float = JOB_TIMEOUT_SECONDS) -> CronJob:
    """A cron job each `seconds` (a divisor of 60, or whole minutes up to 60): once over all
    workers of the queue.
    """
    if seconds < MINUTE_SECONDS:
        when: dict[str, Any] = {"second": set(range(0, MINUTE_SECONDS, seconds))}
    else:
        when = {"second": 0, "minute": set(range(0, 60, seconds // MINUTE_SECONDS))}
    # no second try: the next turn comes anyway
    return cron(
        _logged(function),
        name=f"cron:{_name(function)}",
        timeout=timeout_seconds,
        max_tries=1,
        **when,
    )


def worker_settings(
    config: Config,
    queue: str,
    functions: Sequence[Job],
    cron_jobs: Sequence[CronJob] = (),
    *,
    ctx: dict[str, Any] | None = None,
    on_startup: Job | None = None,
    on_shutdown: Job | None = None,
    max_jobs: int = JOBS_AT_ONCE_MAX,
    job_timeout_seconds: float = JOB_TIMEOUT_SECONDS,
    poll_seconds: float = POLL_SECONDS,
) -> dict[str, Any]:
    """Settings of arq for one queue (a plain dict: arq ignores attributes inherited by a settings
    class).

    `ctx` is what each job gets as its first argument. A job that raises is tried again after 1, 4,
    16 ... seconds, five times in all, unless its error is `permanent`; it is logged either way.
    """
    dump, load = jobs.codec(lambda: config.event_secrets)
    return {
        "queue_name": queue,
        "functions": [_retried(function) for function in functions],
        "cron_jobs": list(cron_jobs),
        "redis_pool": functools.partial(
            jobs.pool, config
        ),  # a fresh one for every worker, with deadlines
        "ctx": ctx or {},
        "on_startup": on_startup,
        "on_shutdown": on_shutdown,
        "max_jobs": max_jobs,
        "max_tries": TRIES_MAX,
        "job_timeout": job_timeout_seconds,
        "poll_delay": poll_seconds,
        # a kept result blocks the re-use of its id; unique keys in Postgres drop repeats
        "keep_result": 0,
        "health_check_interval": HEALTH_SECONDS,
        "expires_extra_ms": jobs.EXPIRES_EXTRA_MILLISECONDS,
        "job_serializer": dump,
        "job_deserializer": load,
        "log_results": False,
        "handle_signals": False,  # the process decides, through `stop`
    }


async def run_worker(settings: dict[str, Any], stop: asyncio.Event) -> None:
    """Work until `stop` is set, then let running jobs end (5 s) and cancel the rest, which arq runs
    again later.

    A lost Redis ends arq's worker; a new one is started with growing pauses, so that nothing spins.
    """
    pause_seconds = 0.2
    while not stop.is_set():
        worker = Worker(**{**settings, "redis_pool": settings["redis_pool"]()})
        started = asyncio.get_running_loop().time()
        try:
            await _work(worker, stop)
        except (RedisError, OSError, TimeoutError) as error:
            if asyncio.get_running_loop().time() - started > RECONNECT_SECONDS_MAX:
                pause_seconds = 0.2
            log.warning("worker_lost_redis", queue=settings["queue_name"], error=repr(error))
            await pause(pause_seconds, stop)
            pause_seconds = min(pause_seconds * 2, RECONNECT_SECONDS_MAX)


async def _work(worker: Worker, stop: asyncio.Event) -> None:
    main = asyncio.create_task(worker.async_run())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({main, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if main.done():
            main.result()
            return
        worker.allow_pick_jobs = False
        if worker.tasks:
            await asyncio.wait(worker.tasks.values(), timeout=STOP_SECONDS)
    finally:
        stopping.cancel()
        await _close(worker, main)


async def _close(worker: Worker, main: asyncio.Task[None]) -> None:
    pending: set[asyncio.Task[Any]] = {*worker.tasks.values(), main}
    while pending:
        for task in pending:
            task.cancel()
        # a cancellation that meets the end of a call to Redis can be lost: then it is asked again
        done, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN_SECONDS)
        await asyncio.gather(*done, return_exceptions=True)
    # arq's own close() calls what redis-py has deprecated
    if worker.on_shutdown:
        await worker.on_shutdown(worker.ctx)
    await worker.pool.aclose()


def _name(function: Job) -> str:
    return str(getattr(function, "__name__", function))


def _logged(function: Job) -> Any:
    @functools.wraps(function)
    async def run(ctx: dict[str, Any], *args: Any, request_id: str = "") -> Any:
        name = _name(function)
        with (
            traces.bound(request_id, job=name),
            traces.resumed(f"job {name}", request_id),
            metrics.timed(name),
        ):
            try:
                return await function(ctx, *args)
            except Exception:
                log.exception("job_failed", tries=ctx["job_try"])
                raise

    return run


def _retried(function: Job) -> Function:
    """arq retries only what raises its own Retry."""
    logged = _logged(function)

    @functools.wraps(function)
    async def run(ctx: dict[str, Any], *args: Any, request_id: str = "") -> Any:
        try:
            return await logged(ctx, *args, request_id=request_id)
        except Exception as error:
            if getattr(error, "permanent", False) or ctx["job_try"] >= TRIES_MAX:
                raise
            jitter = random.uniform(0.8, 1.2)  # noqa: S311
            raise Retry(defer=4 ** (ctx["job_try"] - 1) * jitter) from error

    return func(run, name=_name(function), max_tries=TRIES_MAX)
