"""Every metric of the house, and the text of /metrics over several processes."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

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

if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
    # By default every increment asks the kernel for the process id, in case of a fork. Our
    # processes never fork after this import, and on the webhooks' way that question costs more than
    # the increment.
    _PID = os.getpid()
    # prometheus_client does not annotate this
    values.ValueClass = values.MultiProcessValue(lambda: _PID)  # type: ignore[no-untyped-call]

# Label values come from short fixed lists, never from a request: no shop, customer or address
# label.
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
LIMITS = Counter(
    "holdfast_limits_total", "Limits asked: allowed, limited, failed_open", ["name", "outcome"]
)
UNINSTALLS = Counter(
    "holdfast_uninstalls_total",
    "Shops said to be uninstalled: confirmed, refuted, unanswered",
    ["outcome"],
)
LOG_LINES_DROPPED = Counter(
    "holdfast_log_lines_dropped_total",
    "Log lines nobody read in time, or that could not be written",
)
REDIS_LOSSES = Counter(
    "holdfast_redis_losses_total", "Times Redis lost its memory or went back in time", ["state"]
)
REDIS_DURABLE = Gauge(
    "holdfast_redis_durable",
    "1 when Redis keeps what it has taken, 0 when its settings say it may not",
    multiprocess_mode="livemin",
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


@dataclass(frozen=True, slots=True)
class Scraped:
    """A gauge computed at the moment of a scrape: `values` by the value of its one `label`, or
    by "" without one.
    """

    name: str
    meaning: str
    values: Mapping[str, float]
    label: str = ""


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
