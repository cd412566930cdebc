"""When a canary goes on, waits or goes back: controllers that meet, end, and find a full disk."""

import errno
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ops.canary import controller, state
from ops.canary.controller import NotNowError, Plan
from ops.canary.router import RouterError
from ops.canary.signals import SLOW_SECONDS, BlindError, Counts, Look, Side, Tally

GOOD = Side(requests=200, failed=0, p99_seconds=0.05, letters=0.0, resident_bytes=150_000_000)


def look(servers: int = 1, stable: Side = GOOD, **canary: float | None) -> Look:
    return Look(replace(GOOD, **canary), stable, servers)


class Router:
    """A router that notes what it is told, and can be away."""

    def __init__(self) -> None:
        self.given = [0]
        self.pins: dict[str, str] = {}
        self.refuses = 0
        self.is_back = False

    def share(self) -> int:
        return self.given[-1]

    def is_taken_back(self) -> bool:
        return self.is_back

    def give(self, share: int) -> None:
        if self.refuses:
            self.refuses -= 1
            raise RouterError("The router does not answer.")
        self.given.append(share)

    def begin(self) -> None:
        self.is_back = False

    def take_back(self) -> None:
        self.give(0)
        self.is_back = True

    def pin(self, pins: dict[str, str]) -> None:
        self.pins = dict(pins)


class Signals:
    """Answers the looks it was made with, the last of them for ever; `failing` of ten requests
    fail between two looks.
    """

    def __init__(
        self, *looks: Look | None, canary: str = "v2", stable: str = "v1", failing: int = 0
    ) -> None:
        self.looks = list(looks)
        self.running = {"canary": canary, "stable": stable}
        self.failing = failing
        self.asked = 0

    def releases(self, track: str) -> set[str]:
        return {self.running[track]} - {""}

    def look(self, *_: int) -> Look:
        found = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if found is None:
            raise BlindError("Prometheus does not answer.")
        return found

    def counts(self, _: int) -> Counts:
        self.asked += 1
        slow = dict.fromkeys(SLOW_SECONDS, 0.0)
        canary = Tally(self.asked * 10, self.asked * self.failing, self.asked * 10, slow, 0)
        return Counts(canary, Tally(self.asked * 200, 0, self.asked * 200, slow, 0))


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(tmp_path, step_seconds=0.02, look_every_seconds=0.001, blind_seconds=0.05)


def test_a_good_one_goes_on_step_by_step_to_all(plan: Plan) -> None:
    router, signals = Router(), Signals(look())
    controller.start(plan, router, signals, "v2")
    found = controller.watch(plan, router, signals)
    assert router.given == [0, 500, 2_500, 5_000, 10_000]
    assert (found.status, found.release) == (state.PROMOTED, "v2")
    controller.finish(plan, router)
    assert router.given[-1] == 0


def test_one_bad_look_is_a_moment_and_two_in_a_row_are_too_many(plan: Plan) -> None:
    patient = replace(plan, step_seconds=60)
    router = Router()
    bad = look(servers=0)
    controller.start(patient, router, Signals(look()), "v2")
    found = controller.watch(patient, router, Signals(bad, look(), bad, bad))
    assert found.status == state.ROLLED_BACK
    assert router.given == [0, 500, 0]
    assert found.reason == "no canary process answers"


def test_one_that_fails_goes_back_within_a_few_looks(plan: Plan) -> None:
    patient = replace(plan, step_seconds=60)
    router, signals = Router(), Signals(look(), failing=3)
    controller.start(patient, router, signals, "v2")
    found = controller.watch(patient, router, signals)
    assert signals.asked <= 5
    assert found.status == state.ROLLED_BACK
    assert "requests failed, 0.0% of stable's" in found.reason


def test_what_is_bad_over_a_whole_step_goes_back_though_no_moment_was(plan: Plan) -> None:
    """Three in a hundred fail: too few to be noticed at once, and many over the step."""
    router = Router()
    controller.start(plan, router, Signals(look()), "v2")

    class Slowly(Signals):
        def look(self, window_seconds: int, share: int) -> Look:
            is_step = window_seconds != plan.window_seconds
            return look(requests=2_000, failed=70) if is_step else look(requests=50, failed=1)

    found = controller.watch(plan, router, Slowly(look()))
    assert found.status == state.ROLLED_BACK
    assert found.reason.startswith("over 1 s of 2000 requests 70 failed (3.5%)")


def test_what_may_be_chance_neither_goes_back_nor_on(plan: Plan) -> None:
    router = Router()
    doubtful = [look(requests=150, failed=5)] * 60
    controller.start(plan, router, Signals(look()), "v2")
    found = controller.watch(plan, router, Signals(*doubtful, look()))
    assert found.status == state.PROMOTED, "once more is known"
    assert router.given == [0, 500, 2_500, 5_000, 10_000]


def test_with_too_little_known_nothing_is_promoted(plan: Plan) -> None:
    router = Router()
    controller.start(plan, router, Signals(look()), "v2")
    few = [look(requests=40)] * 30
    found = controller.watch(plan, router, Signals(*few, None))
    assert found.status == state.ROLLED_BACK, "and blind it goes back"
    assert "nothing was known of it" in found.reason
    assert router.given == [0, 500, 0]


def test_a_router_that_is_away_is_told_until_it_has_heard(plan: Plan, monkeypatch) -> None:
    monkeypatch.setattr(controller, "AGAIN_SECONDS", 0.001)
    router = Router()
    controller.start(plan, router, Signals(look()), "v2")
    router.refuses = 3
    controller.roll_back(plan, router, "by hand")
    assert router.given[-1] == 0
    with pytest.raises(NotNowError):
        controller.promote(plan, router, 2_500)


def test_two_who_promote_at_once_promote_once(plan: Plan) -> None:
    router = Router()
    controller.start(plan, router, Signals(look()), "v2")
    with pytest.raises(NotNowError):
        controller.start(plan, router, Signals(look()), "v3")
    controller.promote(plan, router, 2_500)
    with pytest.raises(NotNowError):
        controller.promote(plan, router, 2_500)
    assert router.given == [0, 500, 2_500]


def test_only_one_controls_and_the_state_outlives_it(plan: Plan) -> None:
    router = Router()
    with state.controlling(plan.folder):
        controller.start(plan, router, Signals(look()), "v2")
        with pytest.raises(state.BusyError), state.controlling(plan.folder):
            pytest.fail("two controllers")
    with state.controlling(plan.folder):
        found = controller.watch(plan, router, Signals(look()))
    assert found.status == state.PROMOTED


def test_pinned_shops_are_told_to_a_router_that_was_started_anew(plan: Plan) -> None:
    patient = replace(plan, step_seconds=60)
    router = Router()
    controller.pin(patient, router, "alice.myshopify.com", "canary")
    controller.start(patient, router, Signals(look()), "v2")
    router.given, router.pins = [0], {}
    controller.watch(patient, router, Signals(look(servers=0)))
    assert router.given == [0, 500, 0]
    assert router.pins == {"alice.myshopify.com": "canary"}
    controller.pin(patient, router, "alice.myshopify.com", None)
    assert router.pins == {}


def test_one_that_is_bad_from_the_start_does_not_start(plan: Plan) -> None:
    router = Router()
    with pytest.raises(NotNowError, match="no canary process answers"):
        controller.start(plan, router, Signals(look(servers=0)), "v2")
    assert router.given == [0]
    assert state.read(plan.folder).status == state.NONE


@pytest.mark.parametrize(
    ("canary", "stable", "why"),
    [
        ("v3", "v1", "The canary runs v3, not v2."),
        ("", "v1", "The canary runs nothing that tells its name, not v2."),
        ("v2", "v2", "stable runs v2, too"),
    ],
)
def test_one_that_runs_another_release_or_stables_does_not_start(
    plan: Plan, canary: str, stable: str, why: str
) -> None:
    router = Router()
    with pytest.raises(NotNowError, match=why):
        controller.start(plan, router, Signals(look(), canary=canary, stable=stable), "v2")
    assert router.given == [0]
    assert state.read(plan.folder).status == state.NONE


def test_a_stable_of_before_that_does_not_tell_its_name_keeps_no_canary_back(plan: Plan) -> None:
    router = Router()
    controller.start(plan, router, Signals(look(), stable=""), "v2")
    assert router.given == [0, 500]


def test_one_that_became_another_release_is_not_promoted(plan: Plan, capsys) -> None:
    router, signals = Router(), Signals(*[look()] * 40, None)
    controller.start(plan, router, signals, "v2")
    signals.running["canary"] = "v3"
    controller.watch(plan, router, signals)
    assert router.given == [0, 500, 0], "in the end nothing more is known of it"
    assert "Not promoted: The canary runs v3, not v2." in capsys.readouterr().out


# what may happen to the controller and its disk


@pytest.mark.parametrize("died_after", [0, 1, 2, 3])
def test_one_that_is_killed_between_any_two_of_its_doings_is_followed_by_another(
    plan: Plan, died_after: int, monkeypatch
) -> None:
    """Killed before and after it has written each thing down, and told the router: the router
    never gives more than is written, and whoever watches next goes on.
    """
    router, done = Router(), []

    class KilledError(BaseException):
        pass

    def dying(what):
        def instead(*arguments):
            if len(done) == died_after:
                raise KilledError
            done.append(what.__name__)
            return what(*arguments)

        return instead

    with monkeypatch.context() as patched:
        patched.setattr(state, "write", dying(state.write))
        patched.setattr(router, "give", dying(router.give))
        try:
            controller.start(plan, router, Signals(look()), "v2")
            controller.promote(plan, router, 2_500)
        except KilledError:
            pass
    assert router.share() <= state.read(plan.folder).share
    found = controller.watch(plan, router, Signals(look()))
    expected = state.NONE if died_after == 0 else state.PROMOTED
    assert found.status == expected
    assert router.share() == (0 if died_after == 0 else 10_000)


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_with_a_full_disk_nothing_is_given_and_everything_can_be_taken_back(
    plan: Plan, monkeypatch
) -> None:
    router = Router()
    with monkeypatch.context() as patched:
        patched.setattr(state, "write", full)
        with pytest.raises(OSError, match="No space"):
            controller.start(plan, router, Signals(look()), "v2")
    assert router.given == [0]
    controller.start(plan, router, Signals(look()), "v2")
    with monkeypatch.context() as patched:
        patched.setattr(state, "write", full)
        controller.roll_back(plan, router, "by hand")
        assert router.given == [0, 500, 0]
        # it still stands as running in the file: who watches asks the router, and gives nothing
        found = controller.watch(plan, router, Signals(look()))
    assert found.status == state.ROLLED_BACK
    assert set(router.given[2:]) == {0}


def test_a_step_is_not_gone_on_with_while_the_disk_is_full(plan: Plan, monkeypatch, capsys) -> None:
    router = Router()
    controller.start(plan, router, Signals(look()), "v2")
    monkeypatch.setattr(state, "write", full)
    controller.watch(plan, router, Signals(*[look()] * 40, look(servers=0)))
    assert router.given == [0, 500, 0]
    assert "Not promoted" in capsys.readouterr().out


@pytest.mark.parametrize("broken", [b"", b'{"status": "runn', b"\xff\xfe", b"[" * 100_000, b"7"])
def test_a_state_that_cannot_be_read_goes_back_and_can_begin_anew(
    plan: Plan, broken: bytes
) -> None:
    router = Router()
    controller.start(plan, router, Signals(look()), "v2")
    (plan.folder / "state.json").write_bytes(broken)
    with pytest.raises(state.BrokenError, match="rollback"):
        controller.promote(plan, router, 2_500)
    found = controller.watch(plan, router, Signals(look()))
    assert found.status == state.ROLLED_BACK
    assert router.given == [0, 500, 0]
    assert (plan.folder / "state.json.broken").read_bytes() == broken
    controller.start(plan, router, Signals(look()), "v2")
    assert router.given == [0, 500, 0, 500]


def test_a_clock_that_is_set_ends_no_step_early(plan: Plan, monkeypatch) -> None:
    patient = replace(plan, step_seconds=0.3)
    router = Router()
    controller.start(patient, router, Signals(look()), "v2")
    began, real = time.monotonic(), time.time
    moved = iter([0.0] * 3)
    monkeypatch.setattr(controller.time, "time", lambda: real() + next(moved, 86_400.0))
    found = controller.watch(patient, router, Signals(look()))
    assert found.status == state.PROMOTED
    assert time.monotonic() - began > 0.3


def test_a_router_that_is_away_at_the_start_leaves_no_canary_behind(plan: Plan) -> None:
    router = Router()
    router.refuses = 1
    with pytest.raises(RouterError):
        controller.start(plan, router, Signals(look()), "v2")
    assert state.read(plan.folder).status == state.NONE
    controller.start(plan, router, Signals(look()), "v2")
    assert router.given == [0, 500]
