"""Spans on their way to a collector that refuses, is full, says nonsense, or takes some of them."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from app.config import Config
from app.telemetry import span_export, spans, traces
from app.telemetry.metrics import LOST_SIGNALS
from app.telemetry.span_export import Exporting
from tests.receiver import Receiver, receiving
from tests.waiting import wait_for

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setattr(span_export, "EVERY_SECONDS", 0.02)
    monkeypatch.setattr(span_export, "LATER_SECONDS_MIN", 0.05)
    with receiving() as found:
        yield found


@pytest.fixture
def exporting(collector: Receiver, config: Config) -> Iterator[Exporting]:
    found = Exporting("points", replace(config, otlp_endpoint=collector.url))
    traces.record_to(found)
    yield found
    traces.record_to(None)
    found.close(5)


def lost() -> float:
    return float(LOST_SIGNALS.labels("traces")._value.get())


def work(count: int = 1) -> None:
    for _ in range(count):
        with traces.resumed("job", TRACE):
            pass


@pytest.mark.parametrize("status", [429, 503])
def test_a_collector_that_is_full_is_left_alone_and_then_gets_all(
    collector: Receiver, exporting: Exporting, status: int
) -> None:
    before = lost()
    collector.status, collector.headers = status, {"Retry-After": "0"}
    work(3)
    wait_for("it was asked again", lambda: collector.asked >= 2, 10)
    collector.status = 200
    wait_for("all came", lambda: len(collector.spans) == 3, 10)
    assert lost() == before


def test_it_is_asked_no_sooner_than_it_wants(collector: Receiver, exporting: Exporting) -> None:
    collector.status, collector.headers = 429, {"Retry-After": "30"}
    work()
    wait_for("it was asked", lambda: collector.asked == 1, 10)
    work()
    time.sleep(0.3)
    assert collector.asked == 1
    before = lost()
    collector.status = 200
    began = time.monotonic()
    exporting.close(5)  # the end of a process does not wait for it
    assert time.monotonic() - began < 4
    assert len(collector.spans) == 2
    assert lost() == before


@pytest.mark.parametrize("status", [400, 413, 500])
def test_what_it_will_not_take_is_gone_and_counted_and_the_next_may_pass(
    collector: Receiver, exporting: Exporting, status: int
) -> None:
    before = lost()
    collector.status = status
    work(2)
    wait_for("they are counted", lambda: lost() == before + 2, 10)
    collector.status = 200
    work()
    wait_for("the next came", lambda: len(collector.spans) == 1, 10)


@pytest.mark.parametrize(("says", "refused"), [(b"", 0), (b"<html>not OTLP", 0), (None, 2)])
def test_of_a_batch_taken_in_part_the_rest_is_counted(
    collector: Receiver, exporting: Exporting, says: bytes | None, refused: int
) -> None:
    before = lost()
    part: Any = {"rejected_spans": 2, "error_message": "too old"}
    some = ExportTraceServiceResponse(partial_success=part).SerializeToString()
    collector.says = some if says is None else says
    work(5)
    wait_for("they came", lambda: len(collector.spans) == 5, 10)
    wait_for("the others are counted", lambda: lost() == before + refused, 10)


def test_what_is_left_at_the_end_is_counted(collector: Receiver, exporting: Exporting) -> None:
    before = lost()
    collector.status, collector.headers = 429, {"Retry-After": "soon"}
    work(4)
    exporting.close(10)
    assert lost() == before + 4


def test_a_storm_of_callers_who_want_all_traces_gets_so_many_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Kept:
        def record(self, span: spans.Span) -> None: ...
        def close(self, seconds: float) -> None: ...

    now = 1000.0
    monkeypatch.setattr(traces.time, "monotonic", lambda: now)
    monkeypatch.setattr(traces, "_room", (traces.RECORDED_BURST, now))
    traces.record_to(Kept(), 0.05)
    drawn = f"{TRACE[:16]}{1:016x}"  # an id made to be drawn
    try:

        def storm() -> int:
            asked = f"00-{TRACE}-00f067aa0ba902b7-01"
            ways = [
                *(traces.request(f"r{number}", asked) for number in range(500)),
                *(traces.request(drawn) for _ in range(500)),
                *(traces.delivery(b"r", asked.encode()) for _ in range(500)),
            ]
            return sum(one is not None and one.context.is_sampled for one in ways)

        assert storm() == traces.RECORDED_BURST
        assert storm() == 0
        now += 2
        assert storm() == 2 * traces.RECORDED_A_SECOND
    finally:
        traces.record_to(None)


@pytest.mark.parametrize(
    "header",
    ["x" * 8_000, "00-" + "a" * 5_000, f"00-{'0' * 32}-{'0' * 16}-01", "00-\xff-\x00-01", "-", ""],
)
def test_a_header_nobody_can_read_begins_a_trace_of_its_own(header: str) -> None:
    class Kept:
        def record(self, span: spans.Span) -> None: ...
        def close(self, seconds: float) -> None: ...

    traces.record_to(Kept(), 0.0)
    try:
        found = traces.request(TRACE, header)
        assert found is not None
        assert (found.context.trace_id, found.parent_id) == (TRACE, "")
        assert traces.delivery(TRACE.encode(), header.encode("latin-1")) is None
    finally:
        traces.record_to(None)
