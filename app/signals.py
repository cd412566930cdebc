"""What the house says about itself: JSON logs, metrics over several processes, and Sentry and
PostHog when set.
"""

import logging
import os
import re
import sys
import threading
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import structlog
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
    values,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import REGISTRY, Collector

from app.config import Config

if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
    # By default every increment asks the kernel for the process id, in case of a fork. Our
    # processes never fork after this import, and on the webhooks' way that question costs more than
    # the increment.
    _PID = os.getpid()
    values.ValueClass = values.MultiProcessValue(lambda: _PID)  # type: ignore[no-untyped-call] # not annotated

# Label values come from short fixed lists, never from a request: no shop, customer or address
# label.
WEBHOOKS = Counter("holdfast_webhooks_total", "Webhooks by what admission answered", ["outcome"])
INGESTED = Counter(
    "holdfast_ingested_total", "Webhooks drained from the lanes by outcome", ["outcome"]
)
OUTBOX_PUBLISHED = Counter(
    "holdfast_outbox_published_total", "Facts moved from the outbox to the bus"
)
CONSUMED = Counter(
    "holdfast_consumed_total", "Events read from the bus by outcome", ["service", "outcome"]
)
POSTINGS = Counter("holdfast_postings_total", "Ledger rows written by effect", ["effect"])
CACHE = Counter(
    "holdfast_cache_total",
    "Reads through the cache: fresh, stale, miss, memory, empty",
    ["outcome"],
)
BREAKER = Gauge(
    "holdfast_breaker_state",
    "0 closed, 1 half-open, 2 open; the worst of all processes",
    ["name"],
    multiprocess_mode="livemax",
)
TRANSITIONS = Counter(
    "holdfast_breaker_transitions_total", "Circuits that moved, by where to", ["name", "state"]
)
GUARD = Counter(
    "holdfast_guard_total",
    "Guarded calls: ok, failed, slow, refused, busy, rejected",
    ["name", "outcome"],
)
DEAD_LETTERS = Counter("holdfast_dead_letters_total", "Events and webhooks set aside", ["service"])
LIMITS = Counter(
    "holdfast_limits_total", "Limits asked: allowed, limited, failed_open", ["name", "outcome"]
)
LOST_SIGNALS = Counter("holdfast_lost_signals_total", "Signals that could not be sent", ["to"])
REQUEST_SECONDS = Histogram(
    "holdfast_request_seconds",
    "Requests by route template",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
ROAD_SECONDS = Histogram(
    "holdfast_road_seconds",
    "The way of a webhook by stage: admit, ingest, consume, total",
    ["stage"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600),
)

SECRET_KEYS = frozenset(
    {
        "access_token",
        "address",
        "api_key",
        "authorization",
        "code",
        "cookie",
        "customer_name",
        "email",
        "first_name",
        "hmac",
        "id_token",
        "last_name",
        "name",
        "password",
        "payload",
        "phone",
        "refresh_token",
        "secret",
        "signature",
        "token",
    }
)
REDACTED = "[redacted]"
# an exception's text can quote what it choked on: tokens, signatures and addresses are cut out of
# all free text
_SECRET_TEXT = re.compile(
    r"shp(?:at|rt|ua|ca|ss)_\w+"
    r"|eyJ[\w-]+\.[\w-]+\.[\w-]*"
    r"|(?:Bearer|Basic)\s+\S+"
    r"|(?<=[?&])(?:hmac|signature|id_token|token|code|logged_in_customer_id)=[^&\s'\"]+"
    r"|://[^/\s:@]*:[^/\s@]+@"
    r"|[\w.+-]+@[\w-]+\.[\w.-]+"
    # Postgres quotes the whole row in its details, and asyncpg the whole argument
    r"|(?<=DETAIL:)[^\n]+"
    r"|(?<=invalid input for query argument )[^\n]+",
    re.IGNORECASE,
)
# both are loaded only when their key is set: together they cost each process 0.6 s and 25 MB
_sentry: Any = None  # the module sentry_sdk
_posthog: Any = None  # a client


@dataclass(frozen=True, slots=True)
class Scraped:
    """A gauge computed at the moment of a scrape: `values` by the value of its one `label`, or
    by "" without one.
    """

    name: str
    meaning: str
    values: Mapping[str, float]
    label: str = ""


def setup(process: str, config: Config) -> None:
    """Call once at the start of a process: logs to stdout from here on, Sentry and PostHog when
    their keys are set.
    """
    level = logging.getLevelNamesMapping().get(config.log_level.upper(), logging.INFO)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _to_sentry,
        structlog.processors.format_exc_info,
        redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(serializer=_json)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(sys.stdout.buffer),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
    _adopt_stdlib(shared, level)
    _start_sentry(process, config)
    _start_posthog(config)


def logger() -> structlog.typing.FilteringBoundLogger:
    """A logger; request_id, shop and event_id come from
    `structlog.contextvars.bind_contextvars`.
    """
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return log


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Processor: drop the value of every key that can hold a secret or personal data, at any
    depth.
    """
    return {
        key: REDACTED if key.lower() in SECRET_KEYS else _scrub(value)
        for key, value in event.items()
    }


def render(extra: Sequence[Scraped] = ()) -> bytes:
    """The text of /metrics: all processes together when PROMETHEUS_MULTIPROC_DIR is set, else
    this one.
    """
    directory = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    registry = REGISTRY
    if directory:
        _forget_dead(Path(directory))
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry, directory)  # type: ignore[no-untyped-call] # not annotated
    scraped = CollectorRegistry()
    scraped.register(_ScrapedCollector(extra))
    return generate_latest(registry) + generate_latest(scraped)


def track(event: str, subject: str, **properties: str | float | bool) -> None:
    """A product event to PostHog, when its key is set; queued, dropped when the queue is full,
    never personal.
    """
    if _posthog is None:
        return
    try:
        _posthog.capture(
            event, distinct_id=subject, properties=dict(redact(None, "", dict(properties)))
        )
    except Exception:  # noqa: BLE001 - analytics never break what they watch; the loss is counted
        LOST_SIGNALS.labels("posthog").inc()


def flush() -> None:
    """Send what waits, for at most two seconds each; the last thing a process does."""
    if _sentry is not None:
        _sentry.flush(timeout=2)
    if _posthog is not None:
        closing = threading.Thread(
            target=_posthog.shutdown, daemon=True
        )  # it has no deadline of its own
        closing.start()
        closing.join(timeout=2)


def _json(event: Any, **_: Any) -> bytes:
    return msgspec.json.encode(event, enc_hook=repr)


def _scrub(value: Any) -> Any:
    if isinstance(value, str):
        return _SECRET_TEXT.sub(REDACTED, value)
    if isinstance(value, Mapping):
        return {
            key: REDACTED if str(key).lower() in SECRET_KEYS else _scrub(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_scrub(inner) for inner in value]
    return value


def _adopt_stdlib(shared: list[Any], level: int) -> None:
    """Libraries log through `logging`: the same JSON, and their chatter only from WARNING up."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_logger_name,
                *(step for step in shared if step is not _to_sentry),
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact,
                structlog.processors.JSONRenderer(
                    serializer=lambda event, **_: _json(event).decode()
                ),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in (
        "httpx",
        "httpcore",
        "asyncio",
        "tortoise",
        "uvicorn.access",
        "arq.worker",
        "posthog",
        "backoff",
    ):
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    logging.captureWarnings(capture=True)


def _start_sentry(process: str, config: Config) -> None:
    global _sentry  # noqa: PLW0603 - one client a process
    if not config.sentry_dsn:
        return
    import sentry_sdk  # noqa: PLC0415

    try:
        sentry_sdk.init(
            dsn=config.sentry_dsn,
            environment=config.environment,
            send_default_pii=False,
            include_local_variables=False,  # locals hold tokens and customers
            max_request_body_size="never",
            max_breadcrumbs=0,
            auto_enabling_integrations=False,
            shutdown_timeout=2,
            before_send=_before_send,
        )
        sentry_sdk.set_tag("process", process)
        _sentry = sentry_sdk
    except Exception as error:  # noqa: BLE001 - a wrong DSN must not keep a process from starting
        LOST_SIGNALS.labels("sentry").inc()
        logger().warning("sentry could not start", error=repr(error))


def _start_posthog(config: Config) -> None:
    global _posthog  # noqa: PLW0603 - one client a process
    if config.posthog_api_key:
        from posthog import Posthog  # noqa: PLC0415

        _posthog = Posthog(
            config.posthog_api_key,
            host="https://us.i.posthog.com",
            max_queue_size=1_000,
            max_retries=1,
            timeout=3,
            on_error=lambda *_: LOST_SIGNALS.labels("posthog").inc(),
        )


def _before_send(event: Any, _hint: Any) -> Any:
    """Nothing of the request or the person leaves; what is left is scrubbed like a log line."""
    for part in ("request", "user", "breadcrumbs", "server_name"):
        event.pop(part, None)
    return _scrub_event(event)


def _scrub_event(value: Any) -> Any:
    # unlike a log line, Sentry's own structure uses keys such as `name`: only the text is scrubbed
    if isinstance(value, Mapping):
        return {key: _scrub_event(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_scrub_event(inner) for inner in value]
    return _scrub(value)


def _to_sentry(
    _logger: Any, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    if _sentry is not None and method in {"error", "exception", "critical"}:
        error = event.get("exc_info")
        try:
            if error:
                _sentry.capture_exception(error if isinstance(error, BaseException) else None)
            else:
                _sentry.capture_message(str(event.get("event")), level="error")
        except Exception:  # noqa: BLE001 - logging goes on; the loss is counted
            LOST_SIGNALS.labels("sentry").inc()
    return event


def _forget_dead(directory: Path) -> None:
    """Live gauges of processes that are gone would be reported for ever."""
    for path in directory.glob("gauge_live*_*.db"):
        pid = int(path.stem.rsplit("_", 1)[1])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            path.unlink(missing_ok=True)
        except PermissionError:
            pass  # it lives, under another user


class _ScrapedCollector(Collector):
    def __init__(self, scraped: Sequence[Scraped]) -> None:
        self.scraped = scraped

    def collect(self) -> Iterator[Metric]:
        for one in self.scraped:
            family = GaugeMetricFamily(
                one.name, one.meaning, labels=[one.label] if one.label else []
            )
            for label, value in one.values.items():
                family.add_metric([label] if one.label else [], value)
            yield family
