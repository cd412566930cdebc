"""The circuit, with a clock that the test turns."""

import pytest
from structlog.testing import capture_logs

from app.resilience.breaker import Breaker, State, states
from app.telemetry import metrics


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def circuit(clock: Clock) -> Breaker:
    return Breaker(
        "a test",
        calls_min=3,
        window_seconds=10,
        open_seconds=5,
        success_threshold=2,
        clock=clock,
    )


def fail(circuit: Breaker, times: int) -> None:
    for _ in range(times):
        assert circuit.allow()
        circuit.failure("ConnectionError")


def test_it_opens_at_the_threshold_and_not_before(circuit: Breaker) -> None:
    fail(circuit, 2)
    assert circuit.allow()
    circuit.failure("ConnectionError")
    assert circuit.state is State.OPEN
    assert not circuit.allow()


def test_failures_further_apart_than_the_window_do_not_open_it(
    circuit: Breaker, clock: Clock
) -> None:
    for _ in range(10):
        fail(circuit, 1)
        clock.now += 5.1
    assert circuit.state is State.CLOSED


def test_half_open_lets_one_probe_through_at_a_time(circuit: Breaker, clock: Clock) -> None:
    fail(circuit, 3)
    clock.now += 4.9
    assert not circuit.allow()
    clock.now += 0.1
    assert circuit.allow()
    assert not circuit.allow(), "the second caller must not join the probe"
    circuit.success()
    assert circuit.state is State.HALF_OPEN, "one success of two"
    assert circuit.allow()
    circuit.success()
    assert circuit.state is State.CLOSED


def test_a_failed_probe_opens_it_for_the_whole_time_again(circuit: Breaker, clock: Clock) -> None:
    fail(circuit, 3)
    clock.now += 5
    fail(circuit, 1)
    assert circuit.state is State.OPEN
    clock.now += 4.9
    assert not circuit.allow()
    clock.now += 0.1
    assert circuit.allow()


def test_a_probe_whose_caller_left_gives_its_place_to_the_next(
    circuit: Breaker, clock: Clock
) -> None:
    fail(circuit, 3)
    clock.now += 5
    assert circuit.allow()
    circuit.neutral()
    assert circuit.state is State.HALF_OPEN
    assert circuit.allow()


def test_old_failures_do_not_count_after_it_closed(circuit: Breaker, clock: Clock) -> None:
    fail(circuit, 3)
    clock.now += 5
    for _ in range(2):
        assert circuit.allow()
        circuit.success()
    fail(circuit, 2)
    assert circuit.state is State.CLOSED


def test_each_move_is_logged_with_its_reason_counted_and_shown(circuit: Breaker) -> None:
    counted = metrics.TRANSITIONS.labels("a test", "open")
    before = counted._value.get()
    with capture_logs() as lines:
        fail(circuit, 3)
    assert [(line["circuit"], line["now"]) for line in lines] == [("a test", "open")]
    assert "ConnectionError" in lines[0]["reason"]
    assert counted._value.get() == before + 1
    assert metrics.BREAKER.labels("a test")._value.get() == 2
    assert states()["a test"] == "open"


@pytest.fixture
def busy(clock: Clock) -> Breaker:
    return Breaker("a busy test", clock=clock)


def test_one_failure_in_a_hundred_does_not_open_it_however_many_come(
    busy: Breaker, clock: Clock
) -> None:
    for number in range(10_000):  # 100 a second, 1 % failing, for 100 s
        assert busy.allow()
        if number % 100 == 7:
            busy.failure("TimeoutError")
        else:
            busy.success()
        clock.now += 0.01
    assert busy.state is State.CLOSED


def test_half_of_the_calls_failing_opens_it(busy: Breaker, clock: Clock) -> None:
    for _ in range(1_000):
        busy.success()
        clock.now += 0.01
    failed = 0
    while busy.allow():
        busy.failure("TimeoutError")
        clock.now += 0.01
        failed += 1
    assert 400 < failed < 600, "as soon as they are half of the last ten seconds"


def test_failures_of_one_or_two_shops_never_open_the_circuit_of_all(
    busy: Breaker, clock: Clock
) -> None:
    for number in range(200):
        busy.failure("SlowError", f"shop-{number % 2}")
        clock.now += 0.1
    assert busy.state is State.CLOSED
    busy.failure("SlowError", "shop-3")
    assert busy.state is State.OPEN, "three shops do not fail at once for something of their own"


def test_failures_that_no_shop_can_cause_open_it_at_once(busy: Breaker) -> None:
    for _ in range(10):
        busy.failure("ConnectionRefusedError")
    assert busy.state is State.OPEN


def test_what_it_keeps_does_not_grow(busy: Breaker, clock: Clock) -> None:
    for number in range(50_000):
        busy.failure("SlowError", f"shop-{number % 2}-{number}" if number % 5_000 == 0 else "shop")
        busy.success()
        clock.now += 0.02
    counts = busy._counts
    assert len(counts._shops) <= 3
    assert len(counts._calls) == len(counts._at) == 10


def test_the_circuit_of_one_shop_is_in_no_metric_and_on_no_list(clock: Clock) -> None:
    own = Breaker("a shared test", calls_min=3, shop="alice.myshopify.com", clock=clock)
    with capture_logs() as lines:
        fail(own, 3)
    assert own.state is State.OPEN
    assert lines[0]["shop"] == "alice.myshopify.com"
    assert "a shared test" not in states()
    assert b"alice" not in metrics.render([])
