"""/metrics for Prometheus: what the processes count, and what waits, counted at this moment."""

import asyncio
import importlib.util
import os
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from app import db, rooms
from app.flow import verified
from app.flow.bus import log as fact_log
from app.flow.bus.interface import Bus
from app.flow.lanes import backlog, durability
from app.operations import host, servers
from app.operations.probes import Probes, resource
from app.resilience import health, proven
from app.resilience.guard import Resource, guard
from app.services import PROCESSES, SERVICES
from app.telemetry import metrics
from app.telemetry.metrics import Scraped
from app.web import operators

QUEUES = ("arq:ingest",)
STATM = Path("/proc/self/statm")
COUNT_MAX = 10_001  # a scrape comes every few seconds: what waits is counted no further
WAITING = """
SELECT count(*)::int FROM (SELECT FROM spilled_webhooks WHERE moved_at IS NULL LIMIT $1) AS counted
"""
# One service at a time and in the order of its index, so that each count walks along it, whatever
# the planner believes about how many there are.
LETTERS = """
SELECT known.service, a.waiting::int AS waiting, b.dead::int AS dead
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
# what a service tells of itself: `scraped` of its module `metrics`, where it has one
OF_SERVICES: list[Callable[[], Awaitable[list[Scraped]]]] = [
    partial(importlib.import_module(name).scraped, COUNT_MAX)
    for name in (f"app.{service.name}.metrics" for service in SERVICES)
    if importlib.util.find_spec(name)
]
SCRAPE_POSTGRES = resource("scrape of postgres", rooms.HEALTH)
SCRAPE_REDIS, SCRAPE_CACHE = resource("scrape of redis"), resource("scrape of cache")
SCRAPE_REPLICA = resource("scrape of the replica", rooms.HEALTH)
SCRAPE_NODES, SCRAPE_HOST = resource("scrape of nodes"), resource("scrape of the host")


async def metrics_text(request: Request) -> Response:
    """Prometheus' text, with what waits counted at this moment. Raises UnauthorizedError for
    strangers.
    """
    operators.admit(request)
    stores: db.Stores = request.state.stores
    bus: Bus = request.state.bus
    # one after the other at each store: two connections serve all who look at its health
    found = await asyncio.gather(
        _each(
            SCRAPE_REDIS,
            (
                lambda: _lanes(stores),
                lambda: _heartbeats(stores),
                lambda: _verified(stores),
                lambda: servers.redis(stores.queue, "queue"),
            ),
        ),
        _each(SCRAPE_CACHE, (lambda: servers.redis(stores.cache, "cache"),)),
        _each(
            SCRAPE_POSTGRES,
            (
                lambda: _consumers(bus),
                _held_up,
                _waiting,
                *OF_SERVICES,
                servers.postgres,
                proven.backups,
            ),
        ),
        _each(SCRAPE_REPLICA, (proven.replica,)),
        _each(SCRAPE_NODES, (lambda: servers.lane_nodes(stores),)),
        _each(SCRAPE_HOST, (lambda: asyncio.to_thread(host.figures, stores.config),)),
    )
    scraped = [await _answering(request.state.probes), *_durable()]
    scraped += [one for group in found for one in group]
    here = [_hit_ratio(), _resident(), _release(stores.config.release)]
    text = await asyncio.to_thread(metrics.render, [*scraped, *here])
    return PlainTextResponse(
        text, headers={"Content-Type": "text/plain; version=1.0.0; charset=utf-8"}
    )


routes: list[BaseRoute] = [Route("/metrics", metrics_text)]


async def _each(
    resource: Resource, counts: Iterable[Callable[[], Awaitable[list[Scraped]]]]
) -> list[Scraped]:
    """What they find; a figure that cannot be read is absent, which alerts can tell from zero."""

    async def nothing(_: Exception) -> list[Scraped]:
        return []

    return [one for count in counts for one in await guard(resource, count, nothing)]


async def _answering(probes: Probes) -> Scraped:
    checks = (await probes.plain.get())["checks"]
    answers = {name: float(said == "ok") for name, said in checks.items()}
    return Scraped("holdfast_store_answers", "1 when a store answers", answers, "store")


def _durable() -> list[Scraped]:
    known = durability.known()
    if known is None:
        return []
    return [
        Scraped(
            "holdfast_redis_durable",
            "1 when Redis keeps what it has taken, 0 when its settings say it may not",
            {"": 0.0 if known.problems else 1.0},
        )
    ]


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
            "holdfast_lane_overdue_seconds",
            "Since the first lane could have been drained: a merchant's own pace is not counted",
            {"": found.overdue_seconds},
        ),
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
    ]


async def _held_up() -> list[Scraped]:
    holder = await fact_log.holder()
    found = [
        Scraped(
            "holdfast_log_held_up_seconds",
            "Since when the oldest open transaction keeps facts back, 0 below two seconds",
            {"": holder.seconds if holder else 0.0},
        )
    ]
    if holder:
        # whoever is none of ours may call themselves anything, and names are no labels
        by = holder.application if holder.application.startswith("holdfast ") else "other"
        found.append(
            Scraped(
                "holdfast_log_holder_seconds",
                "The same by who holds it up: a room of ours, or other",
                {by[:40]: holder.seconds},
                "by",
            )
        )
    return found


async def _waiting() -> list[Scraped]:
    async with db.connection() as connection:
        spilled = await connection.fetchval(WAITING, COUNT_MAX)
        rows = await connection.fetch(LETTERS, COUNT_MAX, list(PROCESSES))
    letters: dict[tuple[str, ...], float] = {
        (row["service"], state): float(row[state]) for row in rows for state in ("waiting", "dead")
    }
    return [
        Scraped(
            "holdfast_spilled_webhooks",
            "Webhooks kept in Postgres while Redis was away, counted up to 10,001",
            {"": spilled},
        ),
        Scraped(
            "holdfast_dead_letters_waiting",
            "Dead letters by service and state, counted up to 10,001",
            letters,
            ("service", "state"),
        ),
    ]


async def _heartbeats(stores: db.Stores) -> list[Scraped]:
    board = await health.board(stores.queue)
    if board.is_remembered:
        return []  # how old beats are is not known
    alive = {name: float(line.alive) for name, line in board.items()}
    beats = {name: line for name, line in board.items() if line.beat_at}
    ages = {
        name: (board.read_at - line.beat_at).total_seconds()
        for name, line in beats.items()
        if line.beat_at
    }
    stuck = {name: line.stuck_seconds for name, line in beats.items()}
    reached = {name: float(line.is_database_reached) for name, line in beats.items()}
    return [
        Scraped("holdfast_part_alive", "1 when a process of a kind lives", alive, "process"),
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


def _release(name: str) -> Scraped:
    words = "1 by the name of the build that answers a scrape"
    return Scraped("holdfast_release", words, {name: 1.0}, "release")


def _resident() -> Scraped:
    try:
        found = {"": float(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")}
    except OSError:
        found = {}  # a system without it
    return Scraped("holdfast_resident_bytes", "Memory of the process that answers", found)


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
