"""Whether a canary is good, bad, or not known yet: pure rules over what was counted."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ops.canary.signals import Look, Side

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """A canary is bad beyond these, and beyond what stable does at the same time, where that is
    more than chance.
    """

    harmed_share_max: float = 0.02
    chance_min: float = 0.001  # what is likelier than that of a good one is no proof
    times_stable: float = 2.0
    p99_more_seconds: float = 0.25
    p99_max_seconds: float = 2.0  # where there is no stable to compare with
    more_bytes: float = 200 * MEGABYTE
    p99_requests_min: int = 1_000  # of so many it is ten; of fewer, a moment of the machine


@dataclass(frozen=True, slots=True)
class Verdict:
    kind: Literal["good", "bad", "unknown"]
    reason: str


def standing(look: Look, limits: Limits) -> str:
    """What is wrong with how it stands at this moment, "" where nothing is."""
    if look.canary_servers < 1:
        return "no canary process answers"
    return _fat(look.canary, look.stable, limits)


def judge(look: Look, limits: Limits, requests_min: int) -> Verdict:
    """What a look over a whole step says; `requests_min` is how many are enough to call it good."""
    canary, stable = look.canary, look.stable
    if wrong := standing(look, limits):
        return Verdict("bad", wrong)
    suspected = [
        *_harms("failed", canary.failed, stable.failed, look, limits),
        *_harms("were set aside", canary.letters or 0.0, stable.letters or 0.0, look, limits),
        *_slow(canary, stable, limits),
    ]
    for one in suspected:
        if one.kind == "bad":
            return one
    if canary.requests < requests_min:
        return Verdict("unknown", f"{canary.requests:.0f} requests, {requests_min} are wanted")
    if suspected:
        return suspected[0]
    missing = [
        name
        for name, value in (("p99", canary.p99_seconds), ("dead letters", canary.letters))
        if value is None
    ]
    if missing:
        return Verdict("unknown", f"no data of {' and '.join(missing)}")
    return Verdict("good", said(look))


def said(look: Look) -> str:
    """The figures of a look for a person."""
    canary, stable = (
        f"{side.requests:.0f} requests, {_share(side.failed, side):.1%} failed, p99 "
        + ("unknown" if side.p99_seconds is None else f"{side.p99_seconds:.3f} s")
        + f", {side.letters or 0:.0f} letters"
        for side in (look.canary, look.stable)
    )
    return f"canary: {canary}; stable: {stable}"


def chance(harmed: float, expected: float) -> float:
    """How likely that many or more are where `expected` are, by Poisson."""
    if harmed <= 0:
        return 1.0
    if expected <= 0:
        return 0.0
    fewer = sum(
        math.exp(-expected + count * math.log(expected) - math.lgamma(count + 1))
        for count in range(math.ceil(harmed))
    )
    return max(0.0, 1.0 - fewer)


def _harms(
    what: str, harmed: float, usually: float, look: Look, limits: Limits
) -> Iterator[Verdict]:
    share, usual = _share(harmed, look.canary), _share(usually, look.stable)
    allowed = max(limits.harmed_share_max, limits.times_stable * usual)
    if share <= allowed:
        return
    is_chance = chance(harmed, allowed * look.canary.requests) > limits.chance_min
    yield Verdict(
        "unknown" if is_chance else "bad",
        f"of {look.canary.requests:.0f} requests {harmed:.0f} {what} ({share:.1%}), "
        f"{usual:.1%} of stable's" + (", which may be chance" if is_chance else ""),
    )


def _slow(canary: Side, stable: Side, limits: Limits) -> Iterator[Verdict]:
    if canary.p99_seconds is None:
        return
    if stable.p99_seconds is None:
        limit = limits.p99_max_seconds
    else:
        limit = max(
            limits.times_stable * stable.p99_seconds, stable.p99_seconds + limits.p99_more_seconds
        )
    if canary.p99_seconds <= limit:
        return
    is_chance = canary.requests < limits.p99_requests_min
    usual = "unknown" if stable.p99_seconds is None else f"{stable.p99_seconds:.3f} s"
    yield Verdict(
        "unknown" if is_chance else "bad",
        f"p99 is {canary.p99_seconds:.3f} s, stable's is {usual}",
    )


def _fat(canary: Side, stable: Side, limits: Limits) -> str:
    if canary.resident_bytes is None or stable.resident_bytes is None:
        return ""
    usual = stable.resident_bytes
    if canary.resident_bytes <= max(limits.times_stable * usual, usual + limits.more_bytes):
        return ""
    return (
        f"it holds {canary.resident_bytes / MEGABYTE:.0f} MB of memory, "
        f"stable {usual / MEGABYTE:.0f} MB"
    )


def _share(part: float, side: Side) -> float:
    return part / side.requests if side.requests > 0 else float(part > 0)
