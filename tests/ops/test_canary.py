"""When a canary goes on, waits or goes back: by the rules, and with controllers that meet."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.rings import STEPS, bucket_of, ring_of
from ops.canary import controller, state
from ops.canary.controller import NotNowError, Plan
from ops.canary.judge import Limits, judge
from ops.canary.router import RouterError
from ops.canary.signals import BlindError, Look, Side

GOOD = Side(requests=200, failed=0, p99_seconds=0.05, letters=0.0, resident_bytes=150_000_000)
LIMITS = Limits()


def look(servers: int = 1, stable: Side = GOOD, **canary: float | None) -> Look:
    return Look(replace(GOOD, **canary), stable, servers)


class Router:
    """A router that notes what it is told, and can be away."""

    def __init__(self) -> None:
        self.given = [0]
        self.pins: dict[str, str] = {}
        self.refuses = 0

    def share(self) -> int:
        return self.given[-1]

    def give(self, share: int) -> None:
        if self.refuses:
            self.refuses -= 1
            raise RouterError("The router does not answer.")
        self.given.append(share)

    def pin(self, pins: dict[str, str]) -> None:
        self.pins = dict(pins)


class Signals:
    """Answers the looks it was made with, the last of them for ever."""

    def __init__(self, *looks: Look | None, canary: str = "v2", stable: str = "v1") -> None:
        self.looks = list(looks)
        self.running = {"canary": canary, "stable": stable}

    def releases(self, track: str) -> set[str]:
        return {self.running[track]} - {""}

    def look(self, *_: int) -> Look:
        found = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if found is None:
            raise BlindError("Prometheus does not answer.")
        return found


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(tmp_path, step_seconds=0.02, look_every_seconds=0.001, blind_seconds=0.05)


@pytest.mark.parametrize(
    ("canary", "kind"),
    [
        ({}, "good"),
        ({"failed": 60}, "bad"),
        ({"failed": 4}, "good"),  # 2 %: not more
        ({"requests": 10, "failed": 3}, "bad"),
        ({"requests": 9, "failed": 9}, "unknown"),
        ({"p99_seconds": 0.31}, "bad"),
        ({"p99_seconds": 0.29}, "good"),
        ({"p99_seconds": None}, "unknown"),
        ({"letters": 5.0}, "bad"),
        ({"letters": 2.0}, "good"),
        ({"letters": None}, "unknown"),
        ({"resident_bytes": 400_000_000}, "bad"),
        ({"resident_bytes": 250_000_000}, "good"),
        ({"servers": 0}, "bad"),
    ],
)
def test_it_is_bad_where_it_does_more_harm_than_stable(canary, kind) -> None:
    assert judge(look(**canary), LIMITS).kind == kind


def test_what_stable_suffers_from_as_well_is_not_its_fault() -> None:
    failing = replace(GOOD, failed=40, p99_seconds=2.0, letters=40.0)
    suffering = look(stable=failing, failed=60, p99_seconds=3.0, letters=50.0)
    assert judge(suffering, LIMITS).kind == "good"


def test_without_stable_to_compare_with_it_is_bad_beyond_what_anybody_may() -> None:
    nobody = Side(0, 0, None, None, None)
    assert judge(look(stable=nobody, p99_seconds=1.5), LIMITS).kind == "good"
    assert judge(look(stable=nobody, p99_seconds=2.5), LIMITS).kind == "bad"


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
    bad = look(failed=60)
    controller.start(patient, router, Signals(look()), "v2")
    found = controller.watch(patient, router, Signals(bad, look(), bad, bad))
    assert found.status == state.ROLLED_BACK
    assert router.given == [0, 500, 0]
    assert found.reason == "30.0% of 200 requests failed, 0.0% of stable's"


def test_what_is_bad_over_a_whole_step_goes_back_though_no_moment_was(plan: Plan) -> None:
    """One in fifty fails: never three in one look, but many over the step."""
    router = Router()
    controller.start(plan, router, Signals(look()), "v2")

    class Slowly(Signals):
        def look(self, window_seconds: int, share: int) -> Look:
            is_step = window_seconds != plan.window_seconds
            return look(requests=2_000, failed=60) if is_step else look(requests=50, failed=1)

    found = controller.watch(plan, router, Slowly(look()))
    assert found.status == state.ROLLED_BACK
    assert found.reason.startswith("over 0 s 3.0%")


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
    controller.watch(patient, router, Signals(look(), look(failed=60)))
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


def test_rings_are_the_steps_of_a_canary() -> None:
    shops = [f"shop-{number}.myshopify.com" for number in range(4_000)]
    found = {ring: sum(ring_of(shop) == ring for shop in shops) for ring in STEPS}
    assert 140 < found["5"] < 260
    assert all(bucket_of(shop) < 500 for shop in shops if ring_of(shop) == "5")
    assert sum(found.values()) == len(shops)
