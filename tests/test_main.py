"""The web process as one app: what it mounts, how it says how it is, and what it serves."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx2
import pytest
from blockbuster import blockbuster_ctx
from starlette.applications import Starlette

from app import config as settings
from app import db, main
from app.flow.bus import places
from app.operations import probes, scrape
from app.resilience import health
from app.services import PROCESSES
from app.shopify.client import outgoing
from local import servers
from tests.flow.helpers import emit, order
from tests.web_app import all_beat, fresh_process, talking_to

ROOT_MODULES = ["app", "starlette", "redis", "asyncpg"]
GAUGES = (
    "holdfast_lane_depth",
    "holdfast_lane_oldest_age_seconds",
    "holdfast_queue_depth",
    "holdfast_consumer_lag_events",
    "holdfast_consumer_lag_seconds",
    "holdfast_log_held_up_seconds",
    "holdfast_spilled_webhooks",
    "holdfast_dead_letters_waiting",
    "holdfast_heartbeat_age_seconds",
    "holdfast_database_reached",
    "holdfast_cache_hit_ratio",
    "holdfast_part_alive",
    "holdfast_store_answers",
    "holdfast_lane_overdue_seconds",
    "holdfast_held_redemptions",
    "holdfast_held_oldest_seconds",
    "holdfast_log_days_ahead",
    "holdfast_redis_memory_bytes",
    "holdfast_redis_hits_total",
    "holdfast_postgres_sessions",
    "holdfast_requests_total",
    "holdfast_tickets",
    "holdfast_connections",
    "holdfast_jobs_total",
    "holdfast_webhooks_total",
    "holdfast_breaker_state",
    "holdfast_request_seconds",
    "holdfast_postings_total",
)


@pytest.fixture(autouse=True)
def _fresh_process() -> None:
    fresh_process()


@pytest.fixture
def app(config: settings.Config) -> Starlette:
    return main.create_app(config)


@pytest.fixture
async def http(
    app: Starlette, stores: db.Stores, config: settings.Config
) -> AsyncIterator[httpx2.AsyncClient]:
    """The app with the stores of the test session; its own lifespan is what
    `test_the_lifespan...` is about.
    """
    async with outgoing(config) as client:
        yield talking_to(app, main.state(config, stores, client))


async def test_all_is_ok_when_the_stores_answer_and_every_service_lives(http, stores) -> None:
    await all_beat(stores)
    response = await http.get("/healthz")
    assert response.status_code == 200
    body = response.json()
    assert (body["status"], body["checks"]) == ("ok", {"postgres": "ok", "redis": "ok"})
    assert set(body["services"]) == set(PROCESSES)
    assert body["services"]["points"]["status"] == "healthy"


async def test_a_service_that_is_gone_degrades_and_is_named(http, stores) -> None:
    await all_beat(stores)
    await stores.queue.hdel(health.KEY, "points")
    body = (await http.get("/healthz")).json()
    assert (body["status"], body["services"]["points"]["status"]) == ("degraded", "down")


async def test_without_redis_it_is_degraded_and_goes_on(app, stores, config) -> None:
    away = replace(stores, queue=db.redis_client(f"redis://127.0.0.1:{servers.free_port()}/0"))
    async with outgoing(config) as client:
        response = await talking_to(app, main.state(config, away, client)).get("/healthz")
    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    assert response.json()["checks"] == {"postgres": "ok", "redis": "down"}


async def test_with_neither_store_it_is_down(app, stores, config, monkeypatch) -> None:
    async def nobody() -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(probes, "ask_postgres", nobody)
    away = replace(stores, queue=db.redis_client(f"redis://127.0.0.1:{servers.free_port()}/0"))
    async with outgoing(config) as client:
        response = await talking_to(app, main.state(config, away, client)).get("/healthz")
    assert (response.status_code, response.json()["status"]) == (503, "down")


async def test_metrics_have_everything_the_dashboards_need(http, stores) -> None:
    await all_beat(stores)
    await http.get("/healthz")
    await places.ensure("points")
    await emit(order(1))
    async with db.connection() as raw:
        await raw.execute("UPDATE facts SET signed_at = signed_at - 90")
    text = (await http.get("/metrics")).text
    for name in GAUGES:
        assert f"# HELP {name} " in text or f"# HELP {name.removesuffix('_total')}" in text, name
    lines = text.splitlines()
    assert 'holdfast_consumer_lag_events{service="points"} 1.0' in lines
    age = next(
        line for line in lines if line.startswith('holdfast_consumer_lag_seconds{service="points"}')
    )
    assert 90 <= float(age.split()[1]) < 95
    assert 'holdfast_consumer_lag_events{service="core"} 0.0' in lines
    assert "alice" not in text


async def test_metrics_without_the_stores_are_still_there(app, stores, config, monkeypatch) -> None:
    async def nobody() -> list:
        raise ConnectionRefusedError

    monkeypatch.setattr(scrape, "_waiting", nobody)
    away = replace(stores, queue=db.redis_client(f"redis://127.0.0.1:{servers.free_port()}/0"))
    async with outgoing(config) as client:
        response = await talking_to(app, main.state(config, away, client)).get("/metrics")
    assert response.status_code == 200
    assert "holdfast_webhooks_total" in response.text
    gone = "holdfast_spilled_webhooks"
    assert gone not in response.text, "absent, which an alert can tell from zero"


async def test_metrics_are_for_this_machine_unless_a_token_is_set(app, stores, config) -> None:
    async with outgoing(config) as client:
        state = main.state(config, stores, client)
        assert (await talking_to(app, state, host="127.0.0.1").get("/metrics")).status_code == 200
        assert (await talking_to(app, state, host="::1").get("/metrics")).status_code == 200
        assert (await talking_to(app, state, host="203.0.113.9").get("/metrics")).status_code == 401
        forwarded = await talking_to(app, state).get(
            "/metrics", headers={"x-forwarded-for": "203.0.113.9"}
        )
        assert forwarded.status_code == 401
        closed = {**state, "config": replace(config, metrics_token="of the scraper")}
        assert (await talking_to(app, closed).get("/metrics")).status_code == 401
        bearer = {"authorization": "Bearer of the scraper"}
        assert (
            await talking_to(app, closed, host="203.0.113.9").get("/metrics", headers=bearer)
        ).status_code == 200


@pytest.mark.parametrize(
    "path", ["/static/../app/config.py", "/static/%2e%2e/pyproject.toml", "/static/none.js"]
)
async def test_nothing_outside_static_is_served_and_no_absence_is_kept(http, path: str) -> None:
    response = await http.get(path)
    assert response.status_code == 404
    assert "immutable" not in response.headers.get("cache-control", "")


async def test_unsigned_webhooks_and_shoppers_get_json_and_a_request_id(http) -> None:
    for method, path in (("POST", "/webhooks"), ("GET", "/storefront/me"), ("GET", "/checkout/me")):
        response = await http.request(method, path)
        assert response.status_code in {400, 401}, path
        assert response.json()["error"]["message"], path
        assert response.headers["x-request-id"]


async def test_what_is_asked_all_the_time_never_blocks_the_loop(http, stores) -> None:
    await all_beat(stores)
    with blockbuster_ctx(ROOT_MODULES):
        for path in (
            "/healthz",
            "/metrics",
            "/webhooks",
            "/storefront/me",
            "/static/vendor/htmx.min.js",
        ):
            await http.request("POST" if path == "/webhooks" else "GET", path)


async def test_every_route_has_a_template_for_its_label(app: Starlette) -> None:
    paths = [getattr(route, "path", None) for route in app.routes]
    assert None not in paths
    assert {"/healthz", "/metrics", "/static", "/storefront/me", "/customers"} <= set(paths)


async def test_the_lifespan_opens_the_state_and_beats(embedded, config, stores) -> None:
    # a process of its own: the lifespan closes the connections it opened
    program = (
        "import asyncio, json\n"
        "from app import config, main\n"
        "from app.resilience import health\n"
        "async def live():\n"
        "    app = main.create_app(config.load())\n"
        "    async with app.router.lifespan_context(app) as state:\n"
        "        await asyncio.sleep(0.5)\n"
        "        board = await health.board(state['stores'].queue)\n"
        "        print(json.dumps([sorted(state), board['web'].alive]))\n"
        "asyncio.run(live())\n"
    )
    code, output = await in_a_process(program)
    assert code == 0, output
    names, alive = json.loads(output.splitlines()[-1])
    assert names == ["admission", "bus", "client", "config", "probes", "stores"]
    assert alive


async def in_a_process(program: str) -> tuple[int, str]:
    import asyncio
    import sys

    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        cwd=settings.ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()
