"""Every metric of the house, and the text of /metrics over several processes."""

import os
import time
from bisect import bisect_left
from collections import Counter as Counts
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
    start_http_server,
    values,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import REGISTRY, Collector

from app import rings
from app.telemetry import shared_files

if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
    # By default every increment asks the kernel for the process id, in case of a fork. Our
    # processes never fork after this import, and on the webhooks' way that question costs more than
    # the increment.
    _PID = os.getpid()
    # prometheus_client does not annotate this
    values.ValueClass = values.MultiProcessValue(lambda: _PID)  # type: ignore[no-untyped-call]
    shared_files.use()

# What is promised can be read off exactly only where a bucket ends: a balance within 60 ms, a
# webhook answered within half a second, an order visible within five, a part back within 60.
PROMISED_SECONDS = (0.06, 0.5, 5.0, 60.0)

# Label values come from short fixed lists, never from a request: no shop, customer or address
# label.
REQUESTS = Counter(
    "holdfast_requests_total",
    "Requests by route template and kind of status, 2xx to 5xx; webhooks are counted by outcome",
    ["route", "status"],
)
WEBHOOKS = Counter("holdfast_webhooks_total", "Webhooks by what admission answered", ["outcome"])
MISDIRECTED = Counter(
    "holdfast_misdirected_total",
    "Requests of shops that live in another cell: page, storefront",
    ["door"],
)
INGESTED = Counter(
    "holdfast_ingested_total", "Webhooks drained from the lanes by outcome", ["outcome"]
)
CONSUMED = Counter(
    "holdfast_consumed_total", "Events read from the bus by outcome", ["service", "outcome"]
)
BUS_ENTRIES = Counter(
    "holdfast_bus_entries_total",
    "Entries read with Kafka as the bus, by where they came from",
    ["service", "source"],
)
KAFKA_COPIED = Counter("holdfast_kafka_copied_total", "Entries the relay has copied to Kafka")
KAFKA_BEHIND = Gauge(
    "holdfast_kafka_behind_seconds",
    "How old the first entry is that Kafka has not got",
    multiprocess_mode="livemax",
)
FROZEN_MEMBERS = Counter(
    "holdfast_frozen_members_total", "Members frozen because their points do not add up"
)
FACTS = Counter(
    "holdfast_facts_total",
    "Facts told to the log, of Shopify and of every service, again where a transaction is repeated",
    ["topic"],
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
    "Guarded calls: ok, failed, slow, locked, refused, busy, rejected",
    ["name", "outcome"],
)
DEAD_LETTERS = Counter("holdfast_dead_letters_total", "Events and webhooks set aside", ["service"])
# a canary takes whole rings, so that letters are counted by the release that caused them
RING_LETTERS = Counter(
    "holdfast_ring_letters_total", "The same by the ring of their shop: 5, 25, 50, 100", ["ring"]
)
for _ring in rings.STEPS:  # at 0 from the start, so that the first letter is an increase
    RING_LETTERS.labels(_ring)
FLAG_POLLS = Counter("holdfast_flag_polls_total", "Looks at the flags: read, failed", ["outcome"])
LIMITS = Counter(
    "holdfast_limits_total", "Limits asked: allowed, limited, failed_open", ["name", "outcome"]
)
UNINSTALLS = Counter(
    "holdfast_uninstalls_total",
    "Shops said to be uninstalled: confirmed, refuted, unanswered",
    ["outcome"],
)
BROWSER_ERRORS = Counter(
    "holdfast_browser_errors_total",
    "Errors of our scripts in browsers, of admin and widget: told, again, foreign, limited",
    ["name", "outcome"],
)
LOG_LINES_DROPPED = Counter(
    "holdfast_log_lines_dropped_total",
    "Log lines nobody read in time, or that could not be written",
)
REPLICA_READS = Counter(
    "holdfast_replica_reads_total", "Reads that may be old, by who answered them", ["by"]
)
REDIS_LOSSES = Counter(
    "holdfast_redis_losses_total", "Times Redis lost its memory or went back in time", ["state"]
)
RECONCILED = Counter(
    "holdfast_reconciled_total",
    "What comparing with Shopify found that had changed, and of that told again: of order, customer"
    " and shop: found, told",
    ["name", "outcome"],
)
RECONCILIATIONS = Counter(
    "holdfast_reconciliations_total",
    "Turns of comparing a shop with Shopify: done, goes_on, failed",
    ["outcome"],
)
LOST_SIGNALS = Counter("holdfast_lost_signals_total", "Signals that could not be sent", ["to"])
REQUEST_SECONDS = Histogram(
    "holdfast_request_seconds",
    "Requests by route template",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.06, 0.1, 0.25, 0.5, 1, 2.5, 5, 60),
)
ROAD_SECONDS = Histogram(
    "holdfast_road_seconds",
    "The way of a webhook by stage: admit (a batch made durable), ingest (since it came, until its"
    " facts are written), consume (since then, until a service has handled the oldest of a batch)",
    ["stage"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.06, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600),
)
EFFECT_SECONDS = Histogram(
    "holdfast_effect_seconds",
    "From a webhook that came to what it changed being seen, by service: once a batch, its oldest",
    ["service"],
    buckets=PROMISED_SECONDS,
)
# not "job": Prometheus calls what it scrapes so
JOBS = Counter(
    "holdfast_jobs_total", "Jobs and timed work by outcome: ok, failed", ["work", "outcome"]
)
JOB_SECONDS = Histogram(
    "holdfast_job_seconds", "How long jobs and timed work take", ["work"], buckets=PROMISED_SECONDS
)
TICKETS = Gauge(
    "holdfast_tickets",
    "Calls that may be under way at once, and those that are, of all processes: most, out",
    ["name", "state"],
    multiprocess_mode="livesum",
)
CONNECTIONS = Gauge(
    "holdfast_connections",
    "Connections of all processes to Postgres by room, and to Redis: most, open, used",
    ["pool", "state"],
    multiprocess_mode="livesum",
)
MEMORY = Gauge(
    "holdfast_process_memory_bytes",
    "Resident memory of all processes of a kind",
    ["process"],
    multiprocess_mode="livesum",
)
PROCESSOR = Counter(
    "holdfast_process_cpu_seconds_total", "Processor time of all processes of a kind", ["process"]
)

# a counter that begins at its first event hides that event from whoever asks for an increase
for _state in ("lost", "went_back", "database"):
    REDIS_LOSSES.labels(_state)
for _to in ("health", "wakes", "sentry", "posthog", "traces"):
    LOST_SIGNALS.labels(_to)


@contextmanager
def timed(work: str) -> Iterator[None]:
    """Count and time a job or a turn of timed work by the name of its function."""
    began, outcome = time.perf_counter(), "failed"
    try:
        yield
        outcome = "ok"
    finally:
        JOBS.labels(work, outcome).inc()
        JOB_SECONDS.labels(work).observe(time.perf_counter() - began)


def observe_all(histogram: Histogram, seconds: Sequence[float]) -> None:
    """What `observe` of each does, at the price of one a bucket."""
    # prometheus_client knows one at a time, two writes to shared memory each
    bounds, buckets = histogram._upper_bounds, histogram._buckets  # noqa: SLF001
    for place, count in Counts(bisect_left(bounds, one) for one in seconds).items():
        buckets[place].inc(count)
    histogram._sum.inc(sum(seconds))  # noqa: SLF001


@dataclass(frozen=True, slots=True)
class Scraped:
    """A figure found at the moment of a scrape: `values` by the value of its one `label`, by
    those of its several labels, or by "" without one. A counter where its name ends in `_total`.
    """

    name: str
    meaning: str
    values: Mapping[str, float] | Mapping[tuple[str, ...], float]
    label: str | tuple[str, ...] = ""


def render(extra: Sequence[Scraped] = ()) -> bytes:
    """The text of /metrics: all processes together when PROMETHEUS_MULTIPROC_DIR is set, else
    this one.
    """
    directory = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    registry = REGISTRY
    if directory:
        _forget_dead(Path(directory))
        registry = CollectorRegistry()
        # nor this
        multiprocess.MultiProcessCollector(registry, directory)  # type: ignore[no-untyped-call]
    scraped = CollectorRegistry()
    scraped.register(_ScrapedCollector(extra))
    return generate_latest(registry) + generate_latest(scraped)


def serve(port: int, host: str) -> None:
    """Answer scrapes on a port of this process' own, from a thread: for a worker on a machine
    whose web process cannot tell of it.
    """
    start_http_server(port, host)


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
            kind = CounterMetricFamily if one.name.endswith("_total") else GaugeMetricFamily
            family = kind(one.name, one.meaning, labels=_texts(one.label))
            for label, value in one.values.items():
                family.add_metric(_texts(label), value)
            yield family


def _texts(label: str | tuple[str, ...]) -> tuple[str, ...]:
    if isinstance(label, tuple):
        return label
    return (label,) if label else ()
