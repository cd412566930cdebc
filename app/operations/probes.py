"""/healthz: for load balancers and supervisors whether this process serves, and for people how each
part is; looked at once a moment, however many ask.
"""

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from app import db, rooms
from app.flow.bus import buses
from app.flow.bus import log as fact_log
from app.flow.bus.interface import Bus
from app.resilience import health
from app.resilience.breaker import Breaker
from app.resilience.guard import Resource, guard
from app.resilience.health import Board
from app.resilience.memo import Memo
from app.rooms import Room
from app.services import SERVICES

Status = Literal["ok", "degraded", "down"]
PLAIN_SECONDS, DEEP_SECONDS = 0.5, 2.0  # for so long an answer serves everybody
HELD_UP_SECONDS_MAX = 10.0
FREE_SHARE_MIN, FREE_BYTES_MIN = 0.05, 1024**3
QUICK_SECONDS = 0.5
BROKER_SECONDS = 0.7
DISK_SECONDS = 0.5  # a disk that hangs is no reason to hang with it


def resource(
    name: str, room: Room | None = None, deadline_seconds: float = rooms.HEALTH.deadline_seconds
) -> Resource:
    """Something whose health is asked: a check must see a recovery at once, so its circuit asks
    again every second.
    """
    circuit = Breaker(name, open_seconds=1, success_threshold=1)
    return Resource(name, deadline_seconds, 4, circuit, room=room)


POSTGRES, REDIS = resource("health of postgres", rooms.HEALTH), resource("health of redis")
CACHE = resource("health of cache", deadline_seconds=QUICK_SECONDS)
LOG = resource("health of log", rooms.HEALTH)
BUS = resource("health of bus")
DISK = resource("health of disk", deadline_seconds=DISK_SECONDS)


class Leaving:
    """Whether this process ends soon, and nobody is to send it anything new."""

    is_so = False


@dataclass(frozen=True, slots=True)
class Check:
    """What a look at one part found, how long it took, and its figures."""

    status: Status
    seconds: float
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def shown(self) -> dict[str, Any]:
        return {"status": self.status, "seconds": round(self.seconds, 4), **self.figures}


class Probes:
    """What a web process knows of its stores and parts."""

    def __init__(self, stores: db.Stores, bus: Bus) -> None:
        self.stores = stores
        self.bus = bus
        self.plain = Memo(self._look, PLAIN_SECONDS)
        self.deep = Memo(self._look_deep, DEEP_SECONDS)

    async def _look(self) -> dict[str, Any]:
        postgres, redis, board = await asyncio.gather(
            _asked(POSTGRES, ask_postgres),
            _asked(REDIS, self.stores.queue.ping),
            health.board(self.stores.queue),
        )
        services = _services(board)
        is_well = all(one["status"] == "healthy" for one in services.values())
        return {
            "status": _together(postgres, redis, is_well),
            "release": self.stores.config.release,
            "checks": {"postgres": postgres.status, "redis": redis.status},
            "services": services,
        }

    async def _look_deep(self) -> dict[str, Any]:
        postgres, redis, cache, log, disk, kafka = await asyncio.gather(
            _asked(POSTGRES, ask_postgres),
            _asked(REDIS, self.stores.queue.ping),
            _asked(CACHE, self.stores.cache.ping, fails_as="degraded"),
            _asked(LOG, self._look_at_log, fails_as="degraded"),
            _asked(DISK, self._look_at_disk, fails_as="degraded"),
            self._look_at_kafka(),
        )
        board = await health.board(self.stores.queue)
        relay = board["relay"]
        is_moving = health.service_notice(board, "relay") == "healthy"
        age = {"age_seconds": round(relay.lag_seconds, 3)} if relay.beat_at else {}
        is_well = is_moving and kafka.status == "ok"
        bus = Check("ok" if is_well else "degraded", kafka.seconds, age | kafka.figures)
        services = _services(board)
        others = all(one.status == "ok" for one in (cache, log, disk, bus))
        is_well = others and all(one["status"] == "healthy" for one in services.values())
        return {
            "status": _together(postgres, redis, is_well),
            "checks": {
                "postgres": postgres.shown,
                "redis": redis.shown,
                "cache": cache.shown,
                "bus": bus.shown,
                "log": log.shown,
                "disk": disk.shown,
            },
            "services": services,
        }

    async def _look_at_log(self) -> Check:
        """How far the services are behind, and for how long nobody can read what is new."""
        holder = await fact_log.holder()
        lags = {one.name: await self.bus.lag(one.name, one.topics) for one in SERVICES}
        held_up_seconds = holder.seconds if holder else 0.0
        late = health.LATE_AFTER_SECONDS
        is_late = held_up_seconds > HELD_UP_SECONDS_MAX or any(
            lag.age_seconds > late for lag in lags.values()
        )
        figures = {
            "held_up_seconds": round(held_up_seconds, 3),
            "lag_seconds": {name: round(lag.age_seconds, 3) for name, lag in lags.items()},
        }
        return Check("degraded" if is_late else "ok", 0.0, figures)

    async def _look_at_kafka(self) -> Check:
        """Nothing where the log itself is the bus."""
        if not buses.is_kafka(self.stores.config):
            return Check("ok", 0.0)

        async def look() -> Check:
            return Check("ok", 0.0, dict(await buses.asked(self.stores.config, BROKER_SECONDS)))

        return await _asked(BUS, look, fails_as="degraded")

    async def _look_at_disk(self) -> Check:
        """The disk of the embedded servers; whoever has servers of their own looks there."""
        folder = self.stores.config.data_folder
        if folder is None or not folder.exists():
            return Check("ok", 0.0, {"embedded": False})
        usage = await asyncio.to_thread(shutil.disk_usage, folder)
        share = usage.free / usage.total
        is_full = share < FREE_SHARE_MIN or usage.free < FREE_BYTES_MIN
        figures = {"embedded": True, "free_share": round(share, 4), "free_bytes": usage.free}
        return Check("degraded" if is_full else "ok", 0.0, figures)


async def ask_postgres() -> None:
    """Raises what keeps Postgres from answering."""
    async with db.connection() as connection:
        await connection.fetchval("SELECT 1")


async def healthz(request: Request) -> Response:
    """How everything is. `down` (503) only when neither store answers: a webhook could then not be
    made durable; 404 from a process that ends soon, by which routers leave it out and let it
    finish.
    """
    if Leaving.is_so:
        return _leaving()
    return _answer(await _probes(request).plain.get())


async def live(_: Request) -> Response:
    """That this process answers at all; a supervisor that hears nothing starts it again. No store
    is asked, for a new process would not bring one back.
    """
    return _answer({"status": "ok"})


async def ready(request: Request) -> Response:
    """Whether requests are to come here: unless everything is down, for what is degraded serves."""
    if Leaving.is_so:
        return _leaving()
    found = await _probes(request).plain.get()
    return _answer({"status": found["status"], "checks": found["checks"]})


async def deep(request: Request) -> Response:
    """Every part by itself, for people: stores, cache, bus, log, disk. Each has its own deadline,
    and 503 has the same reason as above.
    """
    return _answer(await _probes(request).deep.get())


routes: list[BaseRoute] = [
    Route("/healthz", healthz),
    Route("/healthz/live", live),
    Route("/healthz/ready", ready),
    Route("/healthz/deep", deep),
]


def _probes(request: Request) -> Probes:
    found: Probes = request.state.probes
    return found


def _leaving() -> Response:
    return JSONResponse({"status": "leaving"}, 404, {"Cache-Control": "no-store"})


def _answer(body: dict[str, Any]) -> Response:
    status = 503 if body["status"] == "down" else 200
    return JSONResponse(body, status, {"Cache-Control": "no-store"})


def _together(postgres: Check, redis: Check, is_well: bool) -> Status:
    if postgres.status == redis.status == "down":
        return "down"
    is_whole = postgres.status == redis.status == "ok" and is_well
    return "ok" if is_whole else "degraded"


async def _asked(
    resource: Resource,
    ask: Callable[[], Awaitable[Any]],
    *,
    fails_as: Status = "down",
) -> Check:
    """The check that `ask` makes, or `ok` when it only answers."""
    began = time.perf_counter()
    try:
        found = await guard(resource, ask)
    except Exception:  # noqa: BLE001
        # logged and counted by the guard; "does not answer" is the result
        return Check(fails_as, time.perf_counter() - began)
    seconds = time.perf_counter() - began
    return (
        Check(found.status, seconds, found.figures)
        if isinstance(found, Check)
        else Check("ok", seconds)
    )


def _services(board: Board) -> dict[str, Any]:
    return {
        name: {
            "status": health.service_notice(board, name),
            "lag_seconds": round(line.lag_seconds, 3),
            "stuck_seconds": round(line.stuck_seconds, 3),
            "reaches_database": line.is_database_reached,
            "beat_at": line.beat_at.isoformat() if line.beat_at else None,
            "progress_at": line.progress_at.isoformat() if line.progress_at else None,
        }
        for name, line in board.items()
    }
