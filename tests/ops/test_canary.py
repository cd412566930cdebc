"""When a canary goes on, waits or goes back; and controllers that meet."""

from dataclasses import replace

import pytest

from ops.canary import controller, state
from ops.canary.controller import NotNowError, Plan
from ops.canary.signals import Look
from tests.ops.canaries import Router, Signals, look


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
