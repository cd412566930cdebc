"""What may happen to whoever controls a canary, and to its disk and clock."""

import errno
import time
from dataclasses import replace

import pytest

from ops.canary import controller, state
from ops.canary.controller import Plan
from ops.canary.router import RouterError
from tests.ops.canaries import Router, Signals, look


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
