"""The only one that gives the canary more shops, or takes them back."""

import time
from dataclasses import dataclass, field
from pathlib import Path

from app.rings import STEPS
from ops.canary import state
from ops.canary.judge import Limits, Verdict, judge
from ops.canary.router import Router, RouterError
from ops.canary.signals import BlindError, Signals

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
    look_every_seconds: float = 0.5
    window_seconds: int = 15
    bad_looks: int = 2  # in a row: one may be a moment of the machine
    blind_seconds: float = BLIND_SECONDS  # after so long without Prometheus it goes back
    limits: Limits = field(default_factory=Limits)


class NotNowError(Exception):
    """What was asked for does not fit how the canary stands; the text says why."""


def start(plan: Plan, router: Router, signals: Signals, release: str) -> None:
    """Give the canary its first share, if it runs `release` and stable does not. Raises
    NotNowError, RouterError, BlindError.
    """
    with state.acting(plan.folder) as found:
        if found.status == state.RUNNING:
            raise NotNowError(f"{found.release} has {found.share / 100:g} % already.")
        verdict = judge(signals.look(plan.window_seconds, 0), plan.limits)
        if verdict.kind == "bad":
            raise NotNowError(f"It does not start: {verdict.reason}.")
        _must_run(release, signals)
        if release in signals.releases("stable"):
            raise NotNowError(f"It does not start: stable runs {release}, too.")
        router.pin(found.pins)
        router.give(SHARES[0])
        found.status, found.release, found.reason = state.RUNNING, release, ""
        _stands(found, SHARES[0])


def promote(plan: Plan, router: Router, share: int) -> None:
    """Give the canary the step `share`, which must be the next one: who asks twice, or beside
    somebody else, does it once. Raises NotNowError, RouterError.
    """
    with state.acting(plan.folder) as found:
        if found.status != state.RUNNING:
            raise NotNowError("No canary is running.")
        if share != _next(found.share):
            raise NotNowError(f"It has {found.share / 100:g} %: {share / 100:g} % is not next.")
        router.give(share)
        _stands(found, share)


def roll_back(plan: Plan, router: Router, reason: str) -> None:
    """Take all shops back from the canary, whoever controls it: the one who does finds out.

    Written down first: with a router that does not answer, nobody may raise the share again. Raises
    RouterError when it has not answered for long.
    """
    with state.acting(plan.folder) as found:
        found.status, found.reason = state.ROLLED_BACK, reason
        _stands(found, 0)
    deadline = time.monotonic() + ROUTER_TRIES_SECONDS
    while not _took_back(plan, router, is_last_try=time.monotonic() > deadline):
        time.sleep(AGAIN_SECONDS)


def finish(plan: Plan, router: Router) -> None:
    """Once stable runs the promoted release, too, the canary is not needed any more. Raises
    NotNowError, RouterError.
    """
    with state.acting(plan.folder) as found:
        if found.status != state.PROMOTED:
            raise NotNowError("No canary has been promoted.")
        router.give(0)
        found.status = state.NONE
        _stands(found, 0)


def pin(plan: Plan, router: Router, shop: str, track: str | None) -> None:
    """Let a shop be the canary's or stable's whatever the share, or neither. Raises RouterError."""
    with state.acting(plan.folder) as found:
        pins = {one: its for one, its in found.pins.items() if one != shop}
        found.pins = {**pins, shop: track} if track else pins
        router.pin(found.pins)
        found.note(f"{shop} is pinned to {track}" if track else f"{shop} is pinned no more")


def watch(plan: Plan, router: Router, signals: Signals) -> state.State:
    """Look every second until the canary is promoted to all or rolled back; how it ended.

    Only one may watch: call it under `state.controlling`.
    """
    bad, seen_at = 0, time.monotonic()
    while True:
        found = state.read(plan.folder)
        if found.status != state.RUNNING:
            return found
        try:
            _remind(plan, router)
            verdict = judge(signals.look(plan.window_seconds, found.share), plan.limits)
            is_seen, seen_at = True, time.monotonic()
        except (BlindError, RouterError) as error:
            is_seen, verdict = False, Verdict("unknown", str(error))
        bad = bad + 1 if verdict.kind == "bad" else 0
        blind_seconds = time.monotonic() - seen_at
        if bad >= plan.bad_looks:
            roll_back(plan, router, verdict.reason)
        elif blind_seconds > plan.blind_seconds:
            roll_back(plan, router, f"nothing was known of it for {blind_seconds:.0f} s")
        elif time.time() - found.step_since >= plan.step_seconds and is_seen:
            _go_on(plan, router, signals, found)
        time.sleep(plan.look_every_seconds)


def _go_on(plan: Plan, router: Router, signals: Signals, found: state.State) -> None:
    """The next step, if the whole of this one was good and enough is known of it."""
    lasted = int(time.time() - found.step_since)
    try:
        verdict = judge(signals.look(lasted, found.share), plan.limits, plan.requests_min)
        if verdict.kind == "bad":
            roll_back(plan, router, f"over {lasted} s {verdict.reason}")
        elif verdict.kind == "good":
            _must_run(found.release, signals)
            _rise(plan, router, found, verdict)
    except (BlindError, RouterError, NotNowError) as error:
        print(f"Not promoted: {error}", flush=True)


def _must_run(release: str, signals: Signals) -> None:
    running = signals.releases("canary")
    if running != {release}:
        names = " and ".join(sorted(running)) or "nothing that tells its name"
        raise NotNowError(f"The canary runs {names}, not {release}.")


def _rise(plan: Plan, router: Router, seen: state.State, verdict: Verdict) -> None:
    share = _next(seen.share)
    with state.acting(plan.folder) as found:
        if (found.status, found.share) != (seen.status, seen.share):
            return  # somebody acted meanwhile
        if share is None:
            found.status, found.reason = state.PROMOTED, verdict.reason
            found.note(f"{found.release} is promoted: {verdict.reason}")
        else:
            router.give(share)
            found.note(verdict.reason)
            _stands(found, share)


def _remind(plan: Plan, router: Router) -> None:
    """Tell a router that was started anew what it should give, unless that changed meanwhile."""
    if router.share() != state.read(plan.folder).share:
        with state.acting(plan.folder) as found:
            router.pin(found.pins)
            router.give(found.share)
            found.note(f"the router had another share, and has {found.share / 100:g} % again")


def _took_back(plan: Plan, router: Router, *, is_last_try: bool) -> bool:
    try:
        with state.acting(plan.folder) as found:
            if found.status == state.ROLLED_BACK:
                router.give(0)
    except RouterError:
        if is_last_try:
            raise
        return False
    return True


def _next(share: int) -> int | None:
    return next((one for one in SHARES if one > share), None)


def _stands(found: state.State, share: int) -> None:
    found.share, found.step_since = share, time.time()
    found.note(f"{found.release} {found.status}: {share / 100:g} % {found.reason}".rstrip())
    print(found.history[-1], flush=True)
