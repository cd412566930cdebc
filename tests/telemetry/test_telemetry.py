"""What leaves the process about itself: logs without secrets, and metrics of all processes
together.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app import config as settings
from app.telemetry import logs, metrics, reports

TOKEN = "shpat_0123456789abcdef"


def run(program: str, **environment: str) -> list[str]:
    """The lines a fresh process prints, for `setup` changes the whole process."""
    start = (
        "import logging, structlog\nfrom app import config\n"
        "from app.telemetry import logs, metrics, reports\nlogs.setup('web', config.load())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", start + program],
        cwd=settings.ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout.splitlines()


@pytest.fixture(autouse=True)
def _environment(embedded) -> None:
    """`config.load()` of the child needs the settings of this test session."""


@pytest.fixture(scope="module")
def lines(embedded) -> dict[str, str]:
    """What one fresh process says, by its event: starting one costs more than all it says."""
    said = run(
        "import pathlib\n"
        "logging.getLogger('uvicorn.error').warning('port %s is odd', 8000)\n"
        "logs.logger().info('odd values', path=pathlib.Path('a'), raw=b'b', many={1})\n"
        f"try:\n    raise ValueError('{TOKEN}')\nexcept ValueError:\n    "
        f"logs.logger().exception('broken')\n"
        "structlog.contextvars.bind_contextvars(request_id='r-1', shop='alice.myshopify.com')\n"
        "logs.logger().info('order awarded', points=7)\n"
        "logs.logger().debug('quiet')\nlogging.getLogger('x').debug('quiet')"
    )
    return {json.loads(line)["event"]: line for line in said}


def test_a_log_line_is_json_with_its_context(lines: dict[str, str]) -> None:
    line = json.loads(lines["order awarded"])
    assert line["event"] == "order awarded"
    assert (line["process"], line["request_id"], line["shop"], line["points"]) == (
        "web",
        "r-1",
        "alice.myshopify.com",
        7,
    )
    assert line["level"] == "info"
    assert line["timestamp"].endswith("Z")


def test_libraries_that_use_logging_say_it_in_the_same_json(lines: dict[str, str]) -> None:
    line = json.loads(lines["port 8000 is odd"])
    assert (line["logger"], line["level"]) == ("uvicorn.error", "warning")


def test_nothing_below_the_level_is_written(lines: dict[str, str]) -> None:
    assert "quiet" not in lines
    assert (
        run(
            "logs.logger().info('quiet')\nlogging.getLogger('x').info('quiet')",
            LOG_LEVEL="WARNING",
        )
        == []
    )


@pytest.mark.parametrize(
    "key",
    ["token", "authorization", "email", "name", "hmac", "signature", "code", "Email", "id_token"],
)
def test_values_of_keys_that_hold_secrets_or_people_are_dropped_at_any_depth(key: str) -> None:
    redacted = logs.redact(
        None, "info", {"event": "x", key: "bob", "inner": {key: ["bob"]}, "many": [{key: "bob"}]}
    )
    assert "bob" not in json.dumps(redacted)
    assert redacted["event"] == "x"


@pytest.mark.parametrize(
    "text",
    [
        f"refused {TOKEN}",
        "Bearer abc.def-ghi",
        "GET /storefront/me?shop=a&signature=ab12cd&logged_in_customer_id=77",
        "token eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln",
        "postgres://holdfast:hunter2@db/holdfast refused",
        "redis://:hunter2@queue/0 refused",
        "no such customer: bob.buyer+shop@example.co.uk",
        "value too long\nDETAIL:  Failing row contains (7, Bob Buyer, =77).",
        "invalid input for query argument $3: ['Bob Buyer', '=77'] (a list is no text)",
    ],
)
def test_free_text_loses_tokens_signatures_passwords_and_addresses(text: str) -> None:
    said = logs.redact(None, "info", {"event": text, "reason": {"list": [text]}})
    for secret in (
        TOKEN,
        "abc.def-ghi",
        "ab12cd",
        "=77",
        "eyJ",
        "hunter2",
        "bob.buyer",
        "Bob Buyer",
    ):
        assert secret not in json.dumps(said)


def test_a_long_word_is_read_once_and_not_from_each_of_its_letters() -> None:
    began = time.monotonic()
    word = "x" * 300_000
    said = logs.redact(None, "info", {"event": f"{word} and {word}@example.com"})
    assert said["event"] == f"{word} and [redacted]"
    assert time.monotonic() - began < 60, "from each letter it takes a quarter of an hour"


def test_a_traceback_is_kept_but_not_its_secrets(lines: dict[str, str]) -> None:
    assert "ValueError" in json.loads(lines["broken"])["exception"]
    assert TOKEN not in lines["broken"]


def test_a_value_json_does_not_know_is_no_error(lines: dict[str, str]) -> None:
    assert "a" in json.loads(lines["odd values"])["path"]


def test_sentry_gets_nothing_of_the_request_or_the_person() -> None:
    event = reports._before_send(
        {
            "request": {"headers": {"authorization": "x"}},
            "user": {"email": "x"},
            "server_name": "x",
            "exception": {
                "values": [{"type": "ValueError", "value": f"{TOKEN} of bob@example.com"}]
            },
        },
        None,
    )
    assert set(event) == {"exception"}
    assert TOKEN not in json.dumps(event)
    assert "bob@" not in json.dumps(event)
    assert event["exception"]["values"][0]["type"] == "ValueError"


def test_an_error_that_is_logged_reaches_sentry_without_secrets() -> None:
    lines = run(
        "import sentry_sdk\n"
        "sent = []\n"
        "sentry_sdk.get_client().transport.capture_envelope = sent.append\n"
        "try:\n"
        f"    secret = '{TOKEN}'; raise ValueError('no token {TOKEN} of bob@example.com')\n"
        "except ValueError:\n"
        "    logs.logger().exception('broken')\n"
        "logs.logger().info('fine')\n"
        "logs.flush(); print(len(sent), sent[0].get_event())",
        SENTRY_DSN="http://key@127.0.0.1:9/1",
    )
    count, event = lines[-1].split(" ", 1)
    assert count == "1"
    assert "ValueError" in event
    assert TOKEN not in event
    assert "bob@" not in event


def test_a_wrong_dsn_is_logged_and_counted_and_the_process_starts() -> None:
    lines = run("logs.flush(); print(metrics.render().decode())", SENTRY_DSN="this is no address")
    assert any("sentry could not start" in line for line in lines)
    assert 'holdfast_lost_signals_total{to="sentry"} 1.0' in lines


def test_without_keys_nobody_is_called() -> None:
    assert run(
        "reports.capture('opened', 'somebody', {})\nreports.flush()\nprint(reports._posthog)"
    ) == ["None"]


def test_analytics_that_cannot_be_sent_cost_nothing_but_a_count() -> None:
    lines = run(
        "reports._posthog.capture = lambda *_, **__: 1 / 0\n"
        "reports.capture('opened', 'somebody', {})\n"
        "import time; began = time.monotonic(); reports.flush()\n"
        "assert time.monotonic() - began < 15\n"
        "print(metrics.render().decode())",
        POSTHOG_API_KEY="phc_test",
    )
    assert 'holdfast_lost_signals_total{to="posthog"} 1.0' in lines


def test_metrics_of_all_processes_are_one_and_the_dead_leave_the_gauges(tmp_path: Path) -> None:
    directory = str(tmp_path)
    for outcome in ("queued", "spilled"):
        run(
            f"metrics.WEBHOOKS.labels('{outcome}').inc(10)\n"
            "metrics.BREAKER.labels('points').set(2)",
            PROMETHEUS_MULTIPROC_DIR=directory,
        )
    lines = run(
        "metrics.BREAKER.labels('points').set(1)\n"
        "metrics.WEBHOOKS.labels('queued').inc(3)\n"
        "gauge = metrics.Scraped('holdfast_depth', 'x', {'a': 3, 'b': 4}, 'queue')\n"
        "print(metrics.render([gauge, metrics.Scraped('holdfast_rows', 'x', {'': 5})]).decode())",
        PROMETHEUS_MULTIPROC_DIR=directory,
    )
    assert 'holdfast_webhooks_total{outcome="queued"} 13.0' in lines
    assert 'holdfast_webhooks_total{outcome="spilled"} 10.0' in lines
    assert 'holdfast_breaker_state{name="points"} 1.0' in lines, (
        "the open circuits died with their processes"
    )
    assert 'holdfast_depth{queue="b"} 4.0' in lines
    assert "holdfast_rows 5.0" in lines


def test_no_metric_is_labelled_by_shop_or_person() -> None:
    labels = {
        name for metric in vars(metrics).values() for name in getattr(metric, "_labelnames", ())
    }
    fixed = {"outcome", "service", "effect", "name", "state", "to", "route", "stage", "door"}
    assert labels == fixed | {"status", "work", "pool", "process", "ring", "source", "by", "topic"}


def test_a_worker_on_a_machine_of_its_own_answers_scrapes_itself() -> None:
    said = run(
        "import urllib.request\nfrom local import servers\nport = servers.free_port()\n"
        "metrics.serve(port, '127.0.0.1')\nwith metrics.timed('sweep'):\n    pass\n"
        "with urllib.request.urlopen(f'http://127.0.0.1:{port}/metrics') as answer:\n"
        "    print(answer.read().decode())"
    )
    assert 'holdfast_jobs_total{outcome="ok",work="sweep"} 1.0' in said


def test_what_is_promised_ends_a_bucket() -> None:
    for histogram in (
        metrics.REQUEST_SECONDS,
        metrics.ROAD_SECONDS,
        metrics.EFFECT_SECONDS,
        metrics.JOB_SECONDS,
    ):
        assert set(metrics.PROMISED_SECONDS) <= set(histogram._upper_bounds)


def test_the_level_changes_at_run_time_for_our_lines_and_those_of_libraries() -> None:
    said = run(
        "log = logs.logger()\nlog.debug('before')\nlogs.set_level('DEBUG')\n"
        "log.debug('during')\nlogging.getLogger('x').debug('of a library')\n"
        "logging.getLogger('httpx').info('chatter')\n"
        "logs.set_level('no level')\nlog.debug('after')\nlog.info('as configured')\n"
        "logs.set_level('ERROR')\nlog.warning('too little')\nlog.exception('enough', exc_info=None)"
    )
    events = [json.loads(line)["event"] for line in said]
    assert events.count("log level changed") == 2, "it is no news to whoever wants only errors"
    events = [one for one in events if one != "log level changed"]
    assert events == ["during", "of a library", "as configured", "enough"]
