"""The only one that gives the canary more shops, or takes them back.

What is to be given is written down first and told to the router then: a controller that is killed
in between leaves a router that gives less, and whoever watches next tells it.
"""

import contextlib
import time
from dataclasses import dataclass, field
from pathlib import Path

from app.rings import STEPS
from ops.canary import state
from ops.canary.judge import Limits, judge, standing
from ops.canary.router import Router, RouterError
from ops.canary.signals import BlindError, Signals
from ops.canary.suspicion import Bounds, Suspicion

SHARES = sorted(STEPS.values())
ROUTER_TRIES_SECONDS = 30.0
AGAIN_SECONDS = 0.5
STEP_SECONDS, REQUESTS_MIN, BLIND_SECONDS = 600.0, 100, 120.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How a canary goes: each step lasts `step_seconds` and needs `requests_min` requests."""

    folder: Path
    step_seconds: float = STEP_SECONDS
    requests_min: int = REQUESTS_MIN
    look_every_seconds: float = 0.25
    window_seconds: int = 15
    bad_looks: int = 2  # in a row, of how it stands: one may be a moment of the machine
    blind_seconds: float = BLIND_SECONDS  # after so long without Prometheus it goes back
    limits: Limits = field(default_factory=Limits)
    bounds: Bounds = field(default_factory=Bounds)


class NotNowError(Exception):
    """What was asked for does not fit how the canary stands; the text says why."""


def start(plan: Plan, router: Router, signals: Signals, release: str) -> None:
    """Give the canary its first share, if it runs `release` and stable does not. Raises
    NotNowError, RouterError, BlindError, BrokenError, OSError.
    """
    with state.acting(plan.folder) as found:
        if found.status == state.RUNNING:
            raise NotNowError(f"{found.release} has {found.share / 100:g} % already.")
        if wrong := standing(signals.look(plan.window_seconds, 0), plan.limits):
            raise NotNowError(f"It does not start: {wrong}.")
        _must_run(release, signals)
        if release in signals.releases("stable"):
            raise NotNowError(f"It does not start: stable runs {release}, too.")
        router.begin()
        router.pin(found.pins)
        found.status, found.release, found.reason = state.RUNNING, release, ""
        _stands(found, SHARES[0])
        state.write(plan.folder, found)
        try:
            router.give(SHARES[0])
        except RouterError:
            found.status = state.NONE
            _stands(found, 0)
            state.write(plan.folder, found)
            raise


def promote(plan: Plan, router: Router, share: int) -> None:
    """Give the canary the step `share`, which must be the next one: who asks twice, or beside
    somebody else, does it once. Raises NotNowError, RouterError, BrokenError, OSError.
    """
    with state.acting(plan.folder) as found:
        if found.status != state.RUNNING:
            raise NotNowError("No canary is running.")
        if share != _next(found.share):
            raise NotNowError(f"It has {found.share / 100:g} %: {share / 100:g} % is not next.")
        _stands(found, share)
        state.write(plan.folder, found)
        router.give(share)


def roll_back(plan: Plan, router: Router, reason: str) -> state.State:
    """Take all shops back from the canary, whoever controls it: the one who does finds out.

    Written down first: with a router that does not answer, nobody may raise the share again. What
    cannot be written or read, on a disk that is full or broken, holds nothing up: the router keeps
    in mind that it took all back. Raises RouterError when it has not answered for long.
    """
    with state.alone(plan.folder):
        found = state.read_anyhow(plan.folder)
        found.status, found.reason = state.ROLLED_BACK, reason
        _stands(found, 0)
        with contextlib.suppress(OSError):
            state.write(plan.folder, found)
    deadline = time.monotonic() + ROUTER_TRIES_SECONDS
    while not _took_back(plan, router, found, is_last_try=time.monotonic() > deadline):
        time.sleep(AGAIN_SECONDS)
    return found


def finish(plan: Plan, router: Router) -> None:
    """Once stable runs the promoted release, too, the canary is not needed any more. Raises
    NotNowError, RouterError, BrokenError, OSError.
    """
    with state.acting(plan.folder) as found:
        if found.status != state.PROMOTED:
            raise NotNowError("No canary has been promoted.")
        router.give(0)
        found.status = state.NONE
        _stands(found, 0)


def pin(plan: Plan, router: Router, shop: str, track: str | None) -> None:
    """Let a shop be the canary's or stable's whatever the share, or neither. Raises RouterError,
    BrokenError, OSError.
    """
    with state.acting(plan.folder) as found:
        pins = {one: its for one, its in found.pins.items() if one != shop}
        found.pins = {**pins, shop: track} if track else pins
        router.pin(found.pins)
        found.note(f"{shop} is pinned to {track}" if track else f"{shop} is pinned no more")


@dataclass(slots=True)
class _Watch:
    """What whoever watches has seen so far of the step that is under way."""

    suspicion: Suspicion
    seen_at: float  # when something was known of it last; moments are of a clock nobody sets
    share: int = -1
    began_at: float = 0.0
    bad: int = 0

    def follow(self, found: state.State) -> None:
        """Begin anew with each step: it is about other shops."""
        if found.share == self.share:
            return
        lasted = time.time() - found.step_since
        self.share, self.bad = found.share, 0
        self.began_at = time.monotonic() - max(0.0, lasted)
        self.suspicion.forget()

    def lasted(self) -> float:
        return time.monotonic() - self.began_at


def watch(plan: Plan, router: Router, signals: Signals) -> state.State:
    """Look several times a second until the canary is promoted to all or rolled back; how it
    ended.

    Only one may watch: call it under `state.controlling`. Raises RouterError.
    """
    seen = _Watch(Suspicion(plan.bounds), time.monotonic())
    while True:
        try:
            found = state.read(plan.folder)
        except (state.BrokenError, OSError) as error:
            return roll_back(plan, router, str(error))
        if found.status != state.RUNNING:
            return found
        seen.follow(found)
        reason, is_seen = _harm(plan, router, signals, seen)
        if reason:
            return roll_back(plan, router, reason)
        is_over = is_seen and seen.lasted() >= plan.step_seconds
        if is_over and (wrong := _go_on(plan, router, signals, found, seen)):
            return roll_back(plan, router, wrong)
        time.sleep(plan.look_every_seconds)


def _harm(plan: Plan, router: Router, signals: Signals, seen: _Watch) -> tuple[str, bool]:
    """Why it must go back, "" while it need not; and whether anything could be seen."""
    try:
        if router.is_taken_back():
            return "the router was told to take all shops back", True
        _remind(plan, router)
        wrong = standing(signals.look(plan.window_seconds, seen.share), plan.limits)
        harm = seen.suspicion.add(signals.counts(seen.share), time.monotonic())
    except (BlindError, RouterError, OSError, state.BrokenError) as error:
        blind_seconds = time.monotonic() - seen.seen_at
        if blind_seconds <= plan.blind_seconds:
            return "", False
        return f"nothing was known of it for {blind_seconds:.0f} s: {error}", False
    seen.seen_at = time.monotonic()
    seen.bad = seen.bad + 1 if wrong else 0
    return harm or (wrong if seen.bad >= plan.bad_looks else ""), True


def _go_on(plan: Plan, router: Router, signals: Signals, found: state.State, seen: _Watch) -> str:
    """The next step, if the whole of this one was good and enough is known of it; why it must go
    back if it was bad.
    """
    lasted = max(1, int(seen.lasted()))
    try:
        verdict = judge(signals.look(lasted, found.share), plan.limits, plan.requests_min)
        if verdict.kind == "bad":
            return f"over {lasted} s {verdict.reason}"
        if verdict.kind == "good":
            _must_run(found.release, signals)
            _rise(plan, router, found, verdict.reason)
    except (BlindError, RouterError, NotNowError, OSError, state.BrokenError) as error:
        _say(f"Not promoted: {error}")
    return ""


def _must_run(release: str, signals: Signals) -> None:
    running = signals.releases("canary")
    if running != {release}:
        names = " and ".join(sorted(running)) or "nothing that tells its name"
        raise NotNowError(f"The canary runs {names}, not {release}.")


def _rise(plan: Plan, router: Router, seen: state.State, reason: str) -> None:
    share = _next(seen.share)
    with state.acting(plan.folder) as found:
        if (found.status, found.share) != (seen.status, seen.share):
            return  # somebody acted meanwhile
        if share is None:
            found.status, found.reason = state.PROMOTED, reason
            found.note(f"{found.release} is promoted: {reason}")
        else:
            found.note(reason)
            _stands(found, share)
            state.write(plan.folder, found)
            router.give(share)


def _remind(plan: Plan, router: Router) -> None:
    """Tell a router that was started anew what it should give, unless that changed meanwhile."""
    if router.share() != state.read(plan.folder).share:
        with state.acting(plan.folder) as found:
            router.pin(found.pins)
            router.give(found.share)
            found.note(f"the router had another share, and has {found.share / 100:g} % again")


def _took_back(plan: Plan, router: Router, mine: state.State, *, is_last_try: bool) -> bool:
    try:
        with state.alone(plan.folder):
            if not _is_begun_anew(plan, mine):
                router.take_back()
    except RouterError:
        if is_last_try:
            raise
        return False
    return True


def _is_begun_anew(plan: Plan, mine: state.State) -> bool:
    """Whether, while the router did not answer, somebody started another canary."""
    try:
        found = state.read(plan.folder)
    except (state.BrokenError, OSError):
        return False
    return found.status == state.RUNNING and found.step_since > mine.step_since


def _next(share: int) -> int | None:
    return next((one for one in SHARES if one > share), None)


def _stands(found: state.State, share: int) -> None:
    found.share, found.step_since = share, time.time()
    found.note(f"{found.release} {found.status}: {share / 100:g} % {found.reason}".rstrip())
    _say(found.history[-1])


def _say(line: str) -> None:
    with contextlib.suppress(OSError):  # what it is printed to may be full
        print(line, flush=True)
