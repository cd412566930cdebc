"""Traces: which are recorded, how one is carried on, and that errors are recorded always."""

import contextlib

import pytest
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased

from app.errors import HoldfastError, UnavailableError
from app.telemetry import carriers, spans, traces
from app.telemetry.carriers import Context

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


class Kept:
    """A recorder that keeps what it is handed."""

    def __init__(self) -> None:
        self.spans: list[spans.Span] = []

    def record(self, span: spans.Span) -> None:
        self.spans.append(span)

    def close(self, seconds: float) -> None:
        pass

    def names(self) -> list[str]:
        return [one.name for one in self.spans]


@pytest.fixture
def kept():
    found = Kept()
    traces.record_to(found, 1.0)
    yield found
    traces.record_to(None)


@pytest.fixture
def unrecorded():
    """A recorder, and no trace is drawn to be recorded."""
    found = Kept()
    traces.record_to(found, 0.0)
    yield found
    traces.record_to(None)


def test_an_old_request_id_and_a_traceparent_are_both_read() -> None:
    assert carriers.read("follow-me-1").request_id == "follow-me-1"
    assert carriers.read("follow-me-1").is_sampled is False
    assert carriers.read(TRACE) == Context(TRACE, "", TRACE, is_sampled=False)
    assert carriers.read(PARENT) == Context(TRACE, SPAN, TRACE, is_sampled=True)
    named = carriers.read(f"{PARENT} follow-me-1")
    assert (named.trace_id, named.request_id) == (TRACE, "follow-me-1")
    assert carriers.write(named) == f"{PARENT} follow-me-1"
    assert carriers.request_id_of("") == ""


def test_a_request_id_of_somebody_else_stands_for_one_trace_always_the_same() -> None:
    found = carriers.trace_id_of("follow-me-1")
    assert found == carriers.trace_id_of("follow-me-1") != carriers.trace_id_of("follow-me-2")
    assert len(bytes.fromhex(found)) == 16
    assert carriers.trace_id_of(TRACE) == TRACE


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "00",
        PARENT.upper(),
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"{PARENT}-more",
        f"00-{TRACE}-{SPAN}",
        "00-" + "x" * 300,
        PARENT + "\n",
    ],
)
def test_a_traceparent_that_breaks_the_rules_is_not_followed(broken: str) -> None:
    assert carriers.of_header(broken) is None


def test_a_traceparent_of_a_later_version_is_read_as_far_as_it_is_known() -> None:
    found = carriers.of_header(f"01-{TRACE}-{SPAN}-03-what-may-come")
    assert found is not None
    assert found.is_sampled


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 1.0])
def test_a_trace_is_recorded_exactly_when_opentelemetry_would(share: float) -> None:
    theirs = TraceIdRatioBased(share)
    traces.record_to(Kept(), share)
    try:
        for number in range(1, 300):
            trace_id = carriers.trace_id_of(f"request-{number}")
            drawn = theirs.should_sample(None, int(trace_id, 16), "x").decision
            assert traces.is_sampled(trace_id) == (drawn is Decision.RECORD_AND_SAMPLE)
    finally:
        traces.record_to(None)


def test_without_a_collector_nothing_is_made_and_a_request_id_goes_on_alone() -> None:
    assert traces.request(TRACE, PARENT) is None
    assert traces.delivery(TRACE.encode(), PARENT.encode()) is None
    with traces.batch("drain"), traces.span("transaction") as inner:
        assert inner is None
        assert traces.onward(PARENT) == PARENT
    assert traces.headers() == {}


def test_what_belongs_to_a_recorded_trace_is_a_tree(kept: Kept) -> None:
    with traces.request("follow-me-1", PARENT) as top:
        with traces.span("shopify discount_create", "client") as call:
            assert traces.headers() == {"traceparent": f"00-{TRACE}-{call.context.span_id}-01"}
        asked = traces.carrier()
    with traces.batch("drain"):
        traces.gather([asked, "of-nobody"])
        onward = traces.onward(asked)
        assert traces.onward("of-nobody") == "of-nobody"
        with traces.span("transaction"):
            pass
    with traces.resumed("job", onward):
        pass
    by_name = {one.name: one for one in kept.spans if one.context.trace_id == TRACE}
    assert list(by_name) == ["shopify discount_create", "request", "drain", "job"]
    assert top.parent_id == SPAN
    assert by_name["shopify discount_create"].parent_id == top.context.span_id
    assert by_name["drain"].parent_id == top.context.span_id
    assert by_name["job"].parent_id == by_name["drain"].context.span_id
    assert {one.context.request_id for one in by_name.values()} == {"follow-me-1"}
    transaction, batch = (one for one in kept.spans if one.context.trace_id != TRACE)
    assert transaction.parent_id == batch.context.span_id
    assert batch.links == [by_name["drain"].context]
    assert by_name["drain"].links == [batch.context]


def test_a_trace_that_is_not_drawn_leaves_nothing(unrecorded: Kept) -> None:
    with traces.request(TRACE), traces.span("inner"):
        assert traces.carrier() == ""
        assert traces.headers()["traceparent"].endswith("-00")
    with traces.batch("drain"):
        traces.gather([TRACE, "follow-me-1"])
    assert unrecorded.spans == []


def test_an_error_is_recorded_with_what_led_to_it_and_nothing_else(unrecorded: Kept) -> None:
    with traces.request(TRACE), traces.span("redemption"):
        with traces.span("read"):
            pass
        with contextlib.suppress(UnavailableError), traces.span("shopify", "client"):
            raise UnavailableError("away, says bob@example.com")
    assert unrecorded.names() == ["shopify", "redemption", "request"]
    first, second, third = unrecorded.spans
    assert (first.parent_id, second.parent_id) == (second.context.span_id, third.context.span_id)
    assert first.error.startswith("UnavailableError")
    assert "bob@" not in first.error


def test_what_the_caller_did_wrong_is_no_error_of_ours(unrecorded: Kept) -> None:
    with contextlib.suppress(HoldfastError), traces.request(TRACE):
        raise HoldfastError("no such reward", status=404)
    assert unrecorded.spans == []


def test_what_is_set_aside_is_an_error_of_its_trace(unrecorded: Kept) -> None:
    traces.failed("points order.paid", TRACE, ValueError("poison"))
    assert [one.context.trace_id for one in unrecorded.spans] == [TRACE]


def test_a_batch_that_fails_is_an_error_of_each_of_its_members(kept: Kept) -> None:
    with contextlib.suppress(ValueError), traces.batch("points"):
        traces.gather([PARENT])
        raise ValueError("poison")
    assert [one.error for one in kept.spans] == ["ValueError: poison", "ValueError: poison"]


def test_a_log_line_tells_the_trace_of_its_request(kept: Kept) -> None:
    assert traces.add_ids(None, "info", {"request_id": "follow-me-1"}) == {
        "request_id": "follow-me-1",
        "trace_id": carriers.trace_id_of("follow-me-1"),
    }
    with traces.request(TRACE) as span:
        line = traces.add_ids(None, "info", {"request_id": TRACE})
    assert (line["trace_id"], line["span_id"]) == (TRACE, span.context.span_id)
