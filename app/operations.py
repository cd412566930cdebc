"""What operators and their machines ask: /healthz for the load balancer, /metrics for
Prometheus.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from app import db, rooms
from app.flow import verified
from app.flow.bus import log as fact_log
from app.flow.bus.interface import Bus
from app.flow.lanes import backlog
from app.resilience import health
from app.resilience.breaker import Breaker
from app.resilience.guard import Resource, guard
from app.rooms import Room
from app.services import PROCESSES, SERVICES
from app.telemetry import logs, metrics
from app.telemetry.metrics import Scraped
from app.web import operators

QUEUES = ("arq:ingest",)
COUNT_MAX = 10_001  # a scrape comes every few seconds: what waits is counted no further
WAITING = """
SELECT count(*)::int FROM (SELECT FROM spilled_webhooks WHERE moved_at IS NULL LIMIT $1) AS counted
"""
# One service at a time and in the order of its index, so that each count walks along it, whatever
# the planner believes about how many there are.
LETTERS = """
SELECT coalesce(sum(waiting), 0)::int AS waiting, coalesce(sum(dead), 0)::int AS dead
  FROM unnest($2::text[]) AS known (service),
       LATERAL (SELECT count(*) AS waiting FROM
                (SELECT FROM dead_letters
                  WHERE service = known.service AND state = 'waiting'
                  ORDER BY shop, next_attempt_at LIMIT $1) AS counted) AS a,
       LATERAL (SELECT count(*) AS dead FROM
                (SELECT FROM dead_letters
                  WHERE service = known.service AND state = 'dead'
                  ORDER BY id LIMIT $1) AS counted) AS b
"""
log = logs.logger()


def _check(name: str, room: Room | None = None) -> Resource:
    # a health check must see a recovery at once, so its circuit asks again every second
    circuit = Breaker(name, open_seconds=1, success_threshold=1)
    return Resource(name, rooms.HEALTH.deadline_seconds, 4, circuit, room=room)


POSTGRES, REDIS = _check("health of postgres", rooms.HEALTH), _check("health of redis")
SCRAPE_POSTGRES = _check("scrape of postgres", rooms.HEALTH)
SCRAPE_REDIS = _check("scrape of redis")


async def healthz(request: Request) -> Response:
    """`down` (503) only when neither store answers: a webhook could then not be made durable."""
    stores: db.Stores = request.state.stores
    postgres, redis, board = await asyncio.gather(
        _answers(POSTGRES, _ask_postgres),
        _answers(REDIS, stores.queue.ping),
        health.board(stores.queue),
    )
    notices = {name: health.service_notice(board, name) for name in board}
    if not postgres and not redis:
        status = "down"
    else:
        status = "ok" if postgres and redis and set(notices.values()) == {"healthy"} else "degraded"
    body = {
        "status": status,
        "checks": {"postgres": "ok" if postgres else "down", "redis": "ok" if redis else "down"},
        "services": {
            name: {
                "status": notices[name],
                "lag_seconds": round(line.lag_seconds, 3),
                "stuck_seconds": round(line.stuck_seconds, 3),
                "reaches_database": line.is_database_reached,
                "beat_at": line.beat_at.isoformat() if line.beat_at else None,
                "progress_at": line.progress_at.isoformat() if line.progress_at else None,
            }
            for name, line in board.items()
        },
    }
    return JSONResponse(body, 503 if status == "down" else 200, {"Cache-Control": "no-store"})


async def metrics_text(request: Request) -> Response:
    """Prometheus' text, with what waits counted at this moment. Raises UnauthorizedError for
    strangers.
    """
    operators.admit(request)
    stores: db.Stores = request.state.stores
    bus: Bus = request.state.bus
    found = await asyncio.gather(
        _gather(SCRAPE_REDIS, lambda: _lanes(stores)),
        _gather(SCRAPE_POSTGRES, lambda: _consumers(bus)),
        _gather(SCRAPE_POSTGRES, _waiting),
        _gather(SCRAPE_REDIS, lambda: _heartbeats(stores)),
        _gather(SCRAPE_REDIS, lambda: _verified(stores)),
    )
    scraped = [one for group in found for one in group]
    text = await asyncio.to_thread(metrics.render, [*scraped, _hit_ratio()])
    return PlainTextResponse(
        text, headers={"Content-Type": "text/plain; version=1.0.0; charset=utf-8"}
    )


routes: list[BaseRoute] = [Route("/healthz", healthz), Route("/metrics", metrics_text)]


async def _answers(resource: Resource, ask: Callable[[], Awaitable[Any]]) -> bool:
    try:
        await guard(resource, ask)
    except Exception:  # noqa: BLE001
        # logged and counted by the guard; "does not answer" is the result
        return False
    return True


async def _ask_postgres() -> None:
    async with db.connection() as connection:
        await connection.fetchval("SELECT 1")


async def _gather(
    resource: Resource, count: Callable[[], Awaitable[list[Scraped]]]
) -> list[Scraped]:
    async def nothing(_: Exception) -> list[Scraped]:
        return []  # a gauge that cannot be read is absent, which alerts can tell from zero

    return await guard(resource, count, nothing)


async def _lanes(stores: db.Stores) -> list[Scraped]:
    found = await backlog.depth_of_all(stores)
    age = max(0.0, time.time() - found.oldest_ms / 1000) if found.oldest_ms else 0.0
    client: Any = stores.queue
    async with client.pipeline(transaction=False) as pipe:
        for queue in QUEUES:
            pipe.zcard(queue)
        depths = await pipe.execute()
    return [
        Scraped("holdfast_lane_depth", "Webhooks waiting in all lanes", {"": found.waiting}),
        Scraped("holdfast_lanes_waiting", "Merchants with a webhook waiting", {"": found.lanes}),
        Scraped("holdfast_lane_oldest_age_seconds", "Age of the oldest waiting webhook", {"": age}),
        Scraped(
            "holdfast_queue_depth",
            "Jobs in a queue",
            dict(zip(QUEUES, depths, strict=True)),
            "queue",
        ),
    ]


async def _consumers(bus: Bus) -> list[Scraped]:
    lags = {one.name: await bus.lag(one.name, one.topics) for one in SERVICES}
    counts = {service: float(lag.count) for service, lag in lags.items()}
    ages = {service: lag.age_seconds for service, lag in lags.items()}
    return [
        Scraped(
            "holdfast_consumer_lag_events", "Events a service has not handled", counts, "service"
        ),
        Scraped("holdfast_consumer_lag_seconds", "Age of the oldest of them", ages, "service"),
        Scraped(
            "holdfast_log_held_up_seconds",
            "Since when the oldest open transaction keeps facts back, 0 below two seconds",
            {"": await _held_up()},
        ),
    ]


async def _held_up() -> float:
    holder = await fact_log.holder()
    return holder.seconds if holder else 0.0


async def _waiting() -> list[Scraped]:
    async with db.connection() as connection:
        spilled = await connection.fetchval(WAITING, COUNT_MAX)
        states = await connection.fetchrow(LETTERS, COUNT_MAX, list(PROCESSES))
    letters = {"waiting": float(states["waiting"]), "dead": float(states["dead"])}
    return [
        Scraped(
            "holdfast_spilled_webhooks",
            "Webhooks kept in Postgres while Redis was away, counted up to 10,001",
            {"": spilled},
        ),
        Scraped(
            "holdfast_dead_letters_waiting",
            "Dead letters by state, counted up to 10,001 a service",
            letters,
            "state",
        ),
    ]


async def _heartbeats(stores: db.Stores) -> list[Scraped]:
    board = await health.board(stores.queue)
    if board.is_remembered:
        return []  # how old beats are is not known
    beats = {name: line for name, line in board.items() if line.beat_at}
    ages = {
        name: (board.read_at - line.beat_at).total_seconds()
        for name, line in beats.items()
        if line.beat_at
    }
    stuck = {name: line.stuck_seconds for name, line in beats.items()}
    reached = {name: float(line.is_database_reached) for name, line in beats.items()}
    return [
        Scraped(
            "holdfast_heartbeat_age_seconds", "Since a process last said it lives", ages, "process"
        ),
        Scraped(
            "holdfast_stuck_seconds", "Since a process has work and finishes none", stuck, "process"
        ),
        Scraped(
            "holdfast_database_reached", "1 when a process reaches Postgres", reached, "process"
        ),
    ]


async def _verified(stores: db.Stores) -> list[Scraped]:
    known = await verified.last(stores.queue)
    if known is None:
        return []
    age_seconds = max(0.0, time.time() - known.ended_at.timestamp())
    found = {name: float(count) for name, count in msgspec.structs.asdict(known.found).items()}
    return [
        Scraped(
            "holdfast_verified_age_seconds",
            "Since the daily verification came to its end",
            {"": age_seconds},
        ),
        Scraped(
            "holdfast_verified",
            "What it found: drift, broken chains, incomplete orders, problems in all; of how many",
            found,
            "found",
        ),
    ]


def _hit_ratio() -> Scraped:
    """Of this process alone; over all of them it is rate(fresh) / rate(all) of
    holdfast_cache_total.
    """
    counted = {
        sample.labels["outcome"]: sample.value
        for metric in metrics.CACHE.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    }
    reads = sum(value for outcome, value in counted.items() if outcome != "away")
    ratio = counted.get("fresh", 0.0) / reads if reads else 0.0
    return Scraped(
        "holdfast_cache_hit_ratio", "Reads served fresh from the cache by this process", {"": ratio}
    )
