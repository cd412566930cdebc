"""What a process sends to Sentry, PostHog and a collector, and what their absence costs it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from app import config as settings
from app.telemetry import product
from tests.receiver import Receiver, receiving

ALICE, BOB = "alice.myshopify.com", "bob.buyer@example.com"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
EVERYTHING = f"""
import time
began = time.monotonic()
from app import config
from app.telemetry import logs, metrics, product, reports, traces
configured = config.load()
logs.setup('points', configured)
def work():
    with traces.resumed('request', '{TRACE}', 'server'), traces.bound('{TRACE}', shop='{ALICE}'):
        with traces.span('inner'):
            pass
        try:
            raise ValueError('no such customer {BOB}')
        except ValueError:
            logs.logger().exception('broken', service='points')
    product.track(product.RewardRedeemed(100, 'captured'), '{ALICE}', configured)
work()
booted = time.monotonic() - began
"""
DONE = """
began = time.monotonic()
reports.flush()
logs.flush()
print('TOOK', booted, time.monotonic() - began)
print(metrics.render().decode())
"""


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture(autouse=True)
def _environment(embedded) -> None:
    """The child needs the settings of this test session."""


def run(program: str, **environment: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=settings.ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def took(lines: list[str]) -> tuple[float, float]:
    """Seconds until the work was done, and of the flush at the end."""
    told = next(line for line in lines if line.startswith("TOOK"))
    booted, flushed = told.split()[1:]
    return float(booted), float(flushed)


def lost(lines: list[str]) -> dict[str, float]:
    found = [line for line in lines if line.startswith("holdfast_lost_signals_total{")]
    counts = {line.split('"')[1]: float(line.rpartition(" ")[2]) for line in found}
    return {to: count for to, count in counts.items() if count}


@pytest.fixture(scope="module")
def told(receiver: Receiver, embedded) -> list[str]:
    """What one process says that has all three; asked once for several tests."""
    return run(EVERYTHING + DONE, **receiver.settings, RELEASE="2026.11.3")


def test_an_error_reaches_sentry_with_what_tells_where_it_belongs_and_nobodys_data(
    told: list[str], receiver: Receiver
) -> None:
    (event,) = receiver.sentry
    assert (event["release"], event["environment"]) == ("2026.11.3", "development")
    tags = event["tags"]
    assert tags["process"] == tags["service"] == "points"
    assert tags["request_id"] == tags["trace_id"] == TRACE
    assert event["exception"]["values"][0]["type"] == "ValueError"
    assert BOB not in json.dumps(event)
    assert not {"user", "request", "server_name", "breadcrumbs"} & set(event)
    assert lost(told) == {}


def test_the_spans_of_a_process_reach_the_collector(told: list[str], receiver: Receiver) -> None:
    by_name = {one.name: one for one in receiver.spans}
    assert by_name["inner"].parent_id == by_name["request"].span_id
    assert by_name["request"].trace_id == TRACE
    assert by_name["request"].resource["service.name"] == "points"
    assert by_name["request"].resource["service.version"] == "2026.11.3"
    line = next(json.loads(one) for one in told if one.startswith("{") and "broken" in one)
    assert (line["trace_id"], line["request_id"]) == (TRACE, TRACE)


def test_a_product_event_is_anonymous_and_names_no_shop(
    told: list[str], receiver: Receiver
) -> None:
    (event,) = receiver.posthog
    assert event["event"] == "reward_redeemed"
    properties = event["properties"]
    assert (properties["points"], properties["state"]) == (100, "captured")
    assert properties["$process_person_profile"] is False
    assert len(event["distinct_id"]) == product.PSEUDONYM_LENGTH
    assert "alice" not in json.dumps(event)


@pytest.mark.parametrize("opt_out", ["all", f"charlie.myshopify.com, {ALICE}"])
def test_who_has_opted_out_is_told_of_to_nobody(receiver: Receiver, opt_out: str) -> None:
    before = len(receiver.posthog)
    only = {"POSTHOG_API_KEY": "phc_test", "POSTHOG_HOST": receiver.url}
    run(EVERYTHING + DONE, **only, POSTHOG_OPT_OUT=opt_out)
    assert len(receiver.posthog) == before


def test_services_that_are_away_delay_nothing_and_what_they_miss_is_counted() -> None:
    nowhere = "http://127.0.0.1:9"
    lines = run(
        EVERYTHING + "time.sleep(3)" + DONE,
        OTEL_EXPORTER_OTLP_ENDPOINT=nowhere,
        OTEL_TRACES_SAMPLER_ARG="1",
        SENTRY_DSN="http://key@127.0.0.1:9/7",
        POSTHOG_API_KEY="phc_test",
        POSTHOG_HOST=nowhere,
    )
    without = run(EVERYTHING + DONE)
    assert took(lines)[0] < took(without)[0] + 15, "what they cost is their import"
    assert took(lines)[1] < 20, "two seconds each at the end, and no more"
    assert {"traces", "sentry", "posthog"} <= set(lost(lines))


@pytest.mark.long
@pytest.mark.parametrize(("status", "asked_max"), [(429, 2), (413, 5), (500, 5)])
def test_services_that_refuse_are_left_alone_and_what_they_refused_is_counted(
    status: int, asked_max: int
) -> None:
    with receiving() as full:
        full.status, full.headers = status, {"Retry-After": "60"}
        only = ("SENTRY_DSN",) if status == 429 else ("SENTRY_DSN", "POSTHOG_API_KEY")
        settings = {name: full.settings[name] for name in (*only, "POSTHOG_HOST")}
        again = "time.sleep(1)\nfor _ in range(3):\n    work()\n    time.sleep(0.5)\n"
        lines = run(EVERYTHING + again + DONE, **settings)
        assert lost(lines)["sentry"] >= 4, "each of four errors, and reports of them"
        assert full.asked <= asked_max * len(only) * 2
        if status == 429:
            assert full.asked == 1, "not again for a minute"
        else:
            assert lost(lines)["posthog"] >= 1


@pytest.mark.long
def test_services_that_are_slow_cost_the_caller_nothing() -> None:
    with receiving() as slow:
        slow.delay_seconds = 20.0
        lines = run(
            EVERYTHING
            + "began = time.monotonic()\n"
            + "for _ in range(200): work()\n"
            + "print('WORKED', time.monotonic() - began)"
            + DONE,
            **slow.settings,
        )
        assert slow.asked, "it was asked, and did not answer"
    worked = next(float(line.split()[1]) for line in lines if line.startswith("WORKED"))
    assert worked < 5, "each of 200 errors waits for nobody"
    assert took(lines)[1] < 20


@pytest.mark.long
def test_a_full_queue_drops_spans_and_counts_them() -> None:
    with receiving() as slow:
        slow.delay_seconds = 20.0
        began = time.monotonic()
        lines = run(
            EVERYTHING
            + "for _ in range(6000):\n    with traces.resumed('job', ''): pass\n"
            + "print(metrics.render().decode())\nlogs.flush()\n"
            + "import os; os._exit(0)",
            OTEL_EXPORTER_OTLP_ENDPOINT=slow.url,
            OTEL_TRACES_SAMPLER_ARG="1",
        )
        assert time.monotonic() - began < 30
    assert lost(lines)["traces"] >= 6_000 - 4_096 - 512


def test_every_product_event_has_a_name_of_its_own_and_tells_no_free_text() -> None:
    names = [one.event for one in product.EVENTS]
    assert len(names) == len(set(names)) >= 5
    for one in product.EVENTS:
        for name, kind in one.__annotations__.items():
            assert kind is not str, f"{one.event}.{name} could hold anything"
