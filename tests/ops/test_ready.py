"""`make ready` on real stores: what is planted is named, and no longer when it is mended."""

import os
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from app import config as settings
from app import db
from app.flow import verified
from app.flow.bus import keeper
from app.flow.verified import Verified
from app.resilience import health
from app.services import PROCESSES
from ops import ready
from ops.readiness import access, watching
from ops.readiness import stores as of_stores
from ops.readiness.look import Look

PARTITION = "SELECT 'facts_' || to_char((now() AT TIME ZONE 'UTC')::date + 2, 'YYYYMMDD')"
LETTER = """
INSERT INTO dead_letters (service, shop, topic, reference, payload, state, reason, attempts, proof,
                          history, created_at, updated_at)
VALUES ('points', 'alice.myshopify.com', 'order.paid', 'x', '', 'dead', 'x', 1, '', '[]', now(),
        now() - interval '2 days')
"""


Act = Callable[[], Awaitable[object]]


class Prometheus:
    """What a Prometheus would answer, with what a test takes from it."""

    def __init__(self) -> None:
        names = re.findall(r"- alert: (\S+)", (watching.RULES / "alerts.yml").read_text())
        self.groups = [{"name": "holdfast", "rules": [{"name": name} for name in names]}]
        self.managers = [{"url": "http://127.0.0.1:9093/prefix/api/v2/alerts"}]
        self.targets = [{"health": "up", "scrapeUrl": "http://web/metrics", "lastError": ""}]
        self.seen = list(PROCESSES)
        self.receivers = "receivers: [{name: a, slack_configs: []}]"

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/prefix/api/v2/status":
            return httpx.Response(200, json={"config": {"original": self.receivers}})
        data = {
            "groups": self.groups,
            "activeAlertmanagers": self.managers,
            "activeTargets": self.targets,
            "result": [{"metric": {"process": name}} for name in self.seen],
        }
        return httpx.Response(200, json={"data": data})


def looking(stores: db.Stores, prometheus: Prometheus, environ: dict[str, str]) -> Look:
    http = httpx.AsyncClient(transport=httpx.MockTransport(prometheus.answer))
    return Look(stores.config, stores, environ, http)


async def named(look: Look, part: str) -> str:
    return "\n".join(await ready.CHECKS[part](look))


async def run(statement: str) -> None:
    async with db.connection() as connection:
        await connection.execute(statement)


async def test_omissions_of_the_stores_are_found_and_gone_when_they_are_mended(
    stores: db.Stores, monkeypatch
):
    look = looking(stores, Prometheus(), {})

    async def check(part: str, said: str, plant: Act, mend: Act):
        await plant()
        assert said in await named(look, part)
        await mend()
        assert said not in await named(look, part)

    redis = stores.queue
    was = {**await redis.config_get("appendfsync"), **await redis.config_get("maxmemory*")}
    await check(
        "redis",
        "appendfsync",
        lambda: redis.config_set("appendfsync", "no"),
        lambda: redis.config_set("appendfsync", "always"),
    )
    await check(
        "redis",
        "drops keys when it is full",
        lambda: redis.config_set("maxmemory-policy", "allkeys-lru"),
        lambda: redis.config_set("maxmemory-policy", "noeviction"),
    )
    await check(
        "redis",
        "no maxmemory",
        lambda: redis.config_set("maxmemory", "0"),
        lambda: redis.config_set("maxmemory", str(2**30)),
    )
    for name in ("appendfsync", "maxmemory-policy", "maxmemory"):
        await redis.config_set(name, was[name])
    assert "no replica" in await named(look, "redis")
    async with db.connection() as connection:
        partition = await connection.fetchval(PARTITION)
    assert "Postgres has fsync off" in await named(look, "postgres"), "as the suite runs it"
    with monkeypatch.context() as patch:
        patch.setattr(of_stores, "SYNCHRONOUS", {"remote_apply"})  # the suite's server has it on
        assert "before a commit is on disk" in await named(look, "postgres")
    assert "before a commit is on disk" not in await named(look, "postgres")
    assert "archive_mode is off" in await named(look, "archive")
    assert (await named(look, "backups")).count("There was never a") == 2
    await run("INSERT INTO backup_marks VALUES ('backup', now() - interval '30 hours', '')")
    await run("INSERT INTO backup_marks VALUES ('drill', now() - interval '30 hours', '')")
    assert await named(look, "backups") == (
        "The last good backup is 30 hours old: python -m ops.backup full."
    )
    await run("DELETE FROM backup_marks")
    assert "No Postgres follows" in await named(look, "replica")
    assert "the superuser postgres" in await named(look, "roles")
    assert await named(look, "clocks") == ""
    assert await named(look, "cache") == "", "it shares the Redis of the lanes"
    day = await today()
    await keeper.keep(day)
    await check(
        "tables",
        "partition",
        lambda: run(f"DROP TABLE {partition}"),
        lambda: keeper.keep(day),
    )
    forgotten = "UPDATE tortoise_migrations SET name = name || 'x' WHERE name LIKE '0013%'"
    known = "UPDATE tortoise_migrations SET name = rtrim(name, 'x') WHERE name LIKE '0013%'"
    await check("tables", "older release", lambda: run(forgotten), lambda: run(known))
    await check(
        "letters", "dead letters", lambda: run(LETTER), lambda: run("DELETE FROM dead_letters")
    )


async def today():
    async with db.connection() as connection:
        return await connection.fetchval("SELECT (now() AT TIME ZONE 'UTC')::date")


async def test_omissions_of_signs_are_found_and_gone_when_they_are_mended(
    stores: db.Stores, tmp_path: Path
):
    prometheus, environ = Prometheus(), {"PROMETHEUS_URL": "http://prometheus"}
    look = looking(stores, prometheus, environ)
    health.forget()
    assert "points does not live" in await named(look, "processes")
    for name in PROCESSES:
        await health.beat(stores.queue, name, 0.0, {"release": "v1"})
    await health.beat(stores.queue, "core", 0.0, {"release": "v2"})
    health.forget()
    assert "of different releases" in await named(look, "processes")
    await health.beat(stores.queue, "core", 0.0, {"release": "v1"})
    health.forget()
    assert await named(look, "processes") == ""
    assert "Nothing was verified" in await named(look, "verification")
    turn = verified.Turn(stores.queue)
    await turn.take()
    await turn.end(Verified(1, 1, 0, 0, 0, 0, problems=2))
    assert "found 2 problems" in await named(look, "verification")
    assert await named(look, "alerts") == ""
    prometheus.seen.remove("points")
    assert "reads nothing of points" in await named(look, "alerts")
    prometheus.groups[0]["rules"].pop()
    assert "does not know Watchdog" in await named(look, "alerts")
    prometheus.receivers = "receivers: [{name: a}]"
    assert "no receiver that tells anybody" in await named(look, "alerts")
    prometheus.receivers = "webhook_configs: [{url: http://127.0.0.1:9095/pager}]"
    assert "nobody is called by that" in await named(look, "alerts")
    prometheus.targets = [{"health": "down", "scrapeUrl": "http://web/metrics", "lastError": "401"}]
    prometheus.targets.append({"health": "up"})
    assert "does not reach http://web/metrics: 401" in await named(look, "alerts")
    prometheus.groups, prometheus.managers, prometheus.targets = [], [], []
    said = await named(look, "alerts")
    assert all(one in said for one in ("none of our rules", "nobody to tell", "reads nobody"))
    del environ["PROMETHEUS_URL"]
    assert "Nobody is told" in await named(look, "alerts")
    assert "The age of TOKEN_KEYS is not known" in await named(look, "secrets")
    for name in access.SECRETS:
        path = tmp_path / name
        path.write_text("secret")
        path.chmod(0o600)
        environ[f"{name}_FILE"] = str(path)
    old = time.time() - 200 * 86_400
    os.utime(tmp_path / "EVENT_SECRETS", (old, old))
    assert await named(look, "secrets") == (
        "HOLDFAST_ENV is not production: secrets everybody knows are accepted.\n"
        "EVENT_SECRETS is 200 days old: rotate it."
    )
    (tmp_path / "METRICS_TOKEN").chmod(0o644)
    assert "METRICS_TOKEN_FILE can be read by everybody" in await named(look, "secrets")
    (tmp_path / "METRICS_TOKEN").unlink()
    assert "METRICS_TOKEN_FILE cannot be read" in await named(look, "secrets")
    assert "SENTRY_DSN" in await named(look, "reports")
    told = replace(stores.config, sentry_dsn="http://x@y/1", metrics_token="x" * 20)
    assert await named(replace(look, config=told), "reports") == ""


async def test_a_part_that_does_not_answer_is_missing(stores: db.Stores, monkeypatch):
    async def refused(_look: Look) -> list[str]:
        raise ConnectionRefusedError(111, "nobody listens")

    monkeypatch.setitem(ready.CHECKS, "alerts", refused)
    found = await ready.look_at(looking(stores, Prometheus(), {}))
    said: Callable[[str], tuple[str, ...]] = {one.name: one.missing for one in found}.__getitem__
    assert "It could not be asked" in said("alerts")[0]
    assert "nobody listens" in said("alerts")[0] or "ConnectionRefusedError" in said("alerts")[0]
    assert {one.name for one in found} == set(ready.CHECKS)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"database_url": "postgres://h@127.0.0.1/h"}, ""),
        ({"database_url": "postgres://h@/h?host=/run/postgres"}, ""),
        ({"database_url": "postgres://h@db.example/h"}, "DATABASE_URL goes to another machine"),
        ({"database_url": "postgres://h@127.0.0.1,db/h?sslmode=prefer"}, "DATABASE_URL goes to"),
        ({"database_url": "postgres://h@db/h?sslmode=require"}, "DATABASE_URL believes any"),
        ({"database_url": "postgres://h@db/h?sslmode=verify-full"}, ""),
        ({"database_read_url": "postgres://h@10.0.0.2/h"}, "DATABASE_READ_URL goes to"),
        ({"redis_url": "redis+sentinel://:p@a:26379,b:26379/main/0"}, "REDIS_URL goes to"),
        ({"redis_url": "rediss+sentinel://:p@a:26379,b:26379/main/0"}, ""),
        ({"redis_url": "redis://[::1]:6379/0"}, ""),
        ({"lane_redis_urls": ("redis://two:6379/0",)}, "REDIS_URL goes to"),
        ({"cache_redis_url": "redis+cluster://a:1,b:2"}, "CACHE_REDIS_URL goes to"),
        ({"bus_url": "kafka://a:9092,b:9092/facts"}, "BUS_URL goes to another machine in the open"),
        ({"bus_url": "kafkas://a:9092/facts?ca=/ca.pem"}, ""),
    ],
)
def test_what_goes_to_another_machine_in_the_open_is_named(
    changed: dict[str, Any], said: str
) -> None:
    here = {"redis_url": "unix:///run/redis.sock", "cache_redis_url": "redis://localhost:6379/1"}
    config = replace(settings.load({}), **{**here, **changed})
    found = list(access.unsealed(config))
    assert len(found) == bool(said)
    assert all(one.startswith(said) for one in found)
