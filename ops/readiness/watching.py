"""Whether somebody would hear of trouble: Prometheus, its rules, Alertmanager, who it tells."""

import re
from typing import Any
from urllib.parse import urlsplit

from app.config import ROOT
from app.services import PROCESSES
from ops.readiness.look import Look

RULES = ROOT / "ops" / "prometheus"
RECEIVER_OF_OBSERVE = "127.0.0.1:9095"  # as the example has it: nobody is called by that
SEEN = "count by (process) (holdfast_process_memory_bytes)"


async def alerts(look: Look) -> list[str]:
    """Whether Prometheus reads all of us, knows all our rules, and has somebody to tell."""
    address = look.environ.get("PROMETHEUS_URL", "").rstrip("/")
    if not address:
        return ["Nobody is told of trouble: PROMETHEUS_URL names no Prometheus."]
    return [
        *await _rules(look, address),
        *await _targets(look, address),
        *await _managers(look, address),
    ]


async def reports(look: Look) -> list[str]:
    """Whether errors are reported to somebody, and metrics are behind a token."""
    missing = []
    if not look.config.sentry_dsn:
        missing.append("Errors are reported to nobody: set SENTRY_DSN.")
    if not look.config.metrics_token:
        missing.append("/metrics and /operator have no token: set METRICS_TOKEN.")
    return missing


async def _rules(look: Look, address: str) -> list[str]:
    known, missing = set(), []
    for group in (await _asked(look, f"{address}/api/v1/rules"))["groups"]:
        for rule in group["rules"]:
            known.add(rule["name"])
            if rule["name"].startswith("holdfast:") and rule.get("health") == "err":
                missing.append(f"The rule {rule['name']} fails: {rule.get('lastError', '')}.")
    wanted = set(re.findall(r"- alert: (\S+)", (RULES / "alerts.yml").read_text(encoding="utf-8")))
    unknown = sorted(wanted - known)
    if unknown == sorted(wanted):
        missing.append("Prometheus has none of our rules: give it ops/prometheus/*.yml.")
    elif unknown:
        missing.append(
            f"Prometheus does not know {', '.join(unknown)}: its rules are not this release's."
        )
    return missing


async def _targets(look: Look, address: str) -> list[str]:
    targets = (await _asked(look, f"{address}/api/v1/targets"))["activeTargets"]
    if not any(one["health"] == "up" for one in targets):
        return ["Prometheus reads nobody's /metrics."]
    missing = [
        f"Prometheus does not reach {one['scrapeUrl']}: {one['lastError']}"
        for one in targets
        if one["health"] == "down"
    ]
    found = (await _asked(look, f"{address}/api/v1/query", query=SEEN))["result"]
    seen = {one["metric"].get("process") for one in found}
    unseen = [name for name in PROCESSES if name not in seen]
    if unseen:
        missing.append(
            f"Prometheus reads nothing of {', '.join(unseen)}: share PROMETHEUS_MULTIPROC_DIR with "
            "a web it reads, or set METRICS_PORT and name it."
        )
    return missing


async def _managers(look: Look, address: str) -> list[str]:
    managers = (await _asked(look, f"{address}/api/v1/alertmanagers"))["activeAlertmanagers"]
    if not managers:
        return ["Prometheus has nobody to tell of alerts: name an Alertmanager."]
    missing = []
    for one in managers:
        parts = urlsplit(one["url"])
        prefix = parts.path.partition("/api/")[0]
        url = f"{parts.scheme}://{parts.netloc}{prefix}/api/v2/status"
        answer = await look.http.get(url)
        answer.raise_for_status()
        settings = answer.json()["config"]["original"]
        if "_configs:" not in settings:
            missing.append("Alertmanager has no receiver that tells anybody: give it one.")
        elif RECEIVER_OF_OBSERVE in settings:
            missing.append(
                "Alertmanager tells the receiver of `make observe`: nobody is called by that."
            )
    return missing


async def _asked(look: Look, address: str, **query: str) -> dict[str, Any]:
    answer = await look.http.get(address, params=query)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()["data"]
    return found
