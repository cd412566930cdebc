"""When a process gets on, when it is stuck, and when nobody could."""

from app.resilience.progress import Progress


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += seconds


def at_work() -> tuple[Clock, Progress]:
    clock = Clock()
    return clock, Progress(clock)


def test_work_that_nobody_finishes_is_stuck_since_it_came() -> None:
    clock, progress = at_work()
    clock.passes(600)
    progress.lag(0.0)
    for second in range(10):
        clock.passes(1)
        progress.lag(0.5 + second)
    assert progress.stuck_seconds() == 9.5


def test_work_that_is_old_when_it_arrives_is_not_stuck_for_that() -> None:
    clock, progress = at_work()
    clock.passes(600)
    progress.lag(0.0)
    clock.passes(1)
    progress.lag(3_600.0)  # it waited elsewhere for an hour
    assert progress.stuck_seconds() == 1


def test_whoever_finishes_something_is_not_stuck_however_far_behind() -> None:
    clock, progress = at_work()
    for second in range(100):
        clock.passes(1)
        progress.lag(100.0 + second)
        progress.made()
    assert progress.stuck_seconds() == 0
    assert progress.lag_seconds == 199


def test_the_oldest_work_finished_by_another_process_is_progress_too() -> None:
    clock, progress = at_work()
    for _ in range(100):
        clock.passes(1)
        progress.lag(5.0)  # the queue moves: its head is always five seconds old
    assert progress.stuck_seconds() == 0


def test_with_a_store_away_lag_grows_and_nobody_is_stuck() -> None:
    clock, progress = at_work()
    clock.passes(1)
    progress.lag(1.0)
    for _ in range(100):
        clock.passes(1)
        progress.unknown()
    assert progress.lag_seconds == 101
    assert progress.stuck_seconds() == 0
    clock.passes(1)
    progress.lag(102.0)
    assert progress.stuck_seconds() == 1, "its time begins again when the store is back"


def test_a_batch_in_hand_waits_like_one_in_the_queue() -> None:
    clock, progress = at_work()
    progress.lag(0.0)
    with progress.busy():
        for _ in range(20):
            clock.passes(1)
            progress.lag(0.0)
        assert (progress.lag_seconds, progress.stuck_seconds()) == (20, 20)
    progress.made()
    progress.lag(0.0)
    assert progress.stuck_seconds() == 0
