"""Whether somebody would hear of trouble: processes, verification, letters, alerts, reports."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app import db
from app.flow import verified
from app.resilience import health
from ops.readiness.look import Look

VERIFIED_WITHIN = timedelta(hours=26)
LETTERS_DAYS = 1
SECRETS_DAYS_MAX = 180
SECRETS = ("SHOPIFY_API_SECRET", "EVENT_SECRETS", "TOKEN_KEYS", "METRICS_TOKEN")
RULES = "holdfast"  # how the names of our groups of rules begin
LETTERS = """
SELECT count(*)::int FROM (SELECT FROM dead_letters
 WHERE state = 'dead' AND updated_at < now() - make_interval(days => $1) LIMIT 1001) AS counted
"""


async def processes(look: Look) -> list[str]:
    """Whether each line of the Procfile lives."""
    board = await health.board(look.stores.queue)
    return [
        f"The process {name} does not live."
        for name in board
        if name != "web" and health.service_notice(board, name) == "down"
    ]


async def verification(look: Look) -> list[str]:
    """Whether every balance was recomputed within a day, and was right."""
    last = await verified.last(look.stores.queue)
    if last is None:
        return ["Nothing was verified yet: run make verify, or leave the relay running for a day."]
    missing = []
    if datetime.now(UTC) - last.ended_at > VERIFIED_WITHIN:
        missing.append(f"The last verification ended at {last.ended_at:%Y-%m-%d %H:%M} UTC.")
    if last.found.problems:
        missing.append(f"The last verification found {last.found.problems} problems.")
    return missing


async def letters(_look: Look) -> list[str]:
    """Whether somebody looks after what was set aside."""
    async with db.connection() as connection:
        count = await connection.fetchval(LETTERS, LETTERS_DAYS)
    if not count:
        return []
    return [f"{count} dead letters are older than a day: the merchants' Health pages show them."]


async def secrets(look: Look) -> list[str]:
    """Whether secrets are this installation's own, in files, and not older than half a year."""
    missing = []
    if not look.config.is_production:
        missing.append("HOLDFAST_ENV is not production: secrets everybody knows are accepted.")
    for name in SECRETS:
        path = look.environ.get(f"{name}_FILE")
        if not path:
            missing.append(f"The age of {name} is not known: give it as a file ({name}_FILE).")
            continue
        days = await asyncio.to_thread(_age_days, Path(path))
        if days > SECRETS_DAYS_MAX:
            missing.append(f"{name} is {days:.0f} days old: rotate it.")
    return missing


async def alerts(look: Look) -> list[str]:
    """Whether Prometheus reads us, knows our rules, and has somebody to tell."""
    address = look.environ.get("PROMETHEUS_URL", "").rstrip("/")
    if not address:
        return ["Nobody is told of trouble: PROMETHEUS_URL names no Prometheus."]
    groups = (await _asked(look, f"{address}/api/v1/rules"))["groups"]
    managers = (await _asked(look, f"{address}/api/v1/alertmanagers"))["activeAlertmanagers"]
    targets = (await _asked(look, f"{address}/api/v1/targets"))["activeTargets"]
    missing = []
    if not any(one["name"].startswith(RULES) for one in groups):
        missing.append("Prometheus has none of our rules: give it ops/prometheus/*.yml.")
    if not managers:
        missing.append("Prometheus has nobody to tell of alerts: name an Alertmanager.")
    if not any(one["health"] == "up" for one in targets):
        missing.append("Prometheus reads nobody's /metrics.")
    return missing


async def reports(look: Look) -> list[str]:
    """Whether errors are reported to somebody, and metrics are behind a token."""
    missing = []
    if not look.config.sentry_dsn:
        missing.append("Errors are reported to nobody: set SENTRY_DSN.")
    if not look.config.metrics_token:
        missing.append("/metrics and /operator have no token: set METRICS_TOKEN.")
    return missing


def _age_days(path: Path) -> float:
    return (time.time() - path.stat().st_mtime) / 86_400


async def _asked(look: Look, address: str) -> dict[str, list[dict[str, str]]]:
    answer = await look.http.get(address)
    answer.raise_for_status()
    found: dict[str, list[dict[str, str]]] = answer.json()["data"]
    return found
