"""Whether a canary is good, bad, or not known yet: pure rules over what was counted."""

from dataclasses import dataclass
from typing import Literal

from ops.canary.signals import Look, Side

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """A canary is bad beyond these, and beyond what stable does at the same time."""

    requests_min: int = 10  # with fewer, nothing is said
    failed_min: int = 3
    failed_share_max: float = 0.02
    letters_min: int = 3
    letters_share_max: float = 0.02
    times_stable: float = 2.0
    p99_more_seconds: float = 0.25
    p99_max_seconds: float = 2.0  # where there is no stable to compare with
    more_bytes: float = 200 * MEGABYTE


@dataclass(frozen=True, slots=True)
class Verdict:
    kind: Literal["good", "bad", "unknown"]
    reason: str


def judge(look: Look, limits: Limits, requests_min: int | None = None) -> Verdict:
    """What the look says of the canary; `requests_min` is how many are enough to call it good."""
    canary, stable = look.canary, look.stable
    if look.canary_servers < 1:
        return Verdict("bad", "no canary process answers")
    harm = (
        _failing(canary, stable, limits)
        or _slow(canary, stable, limits)
        or _letters(canary, stable, limits)
        or _fat(canary, stable, limits)
    )
    if harm:
        return Verdict("bad", harm)
    enough = requests_min or limits.requests_min
    if canary.requests < enough:
        return Verdict("unknown", f"{canary.requests:.0f} requests, {enough} are wanted")
    missing = [
        name
        for name, value in (
            ("p99", canary.p99_seconds),
            ("dead letters", canary.letters),
        )
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


def _failing(canary: Side, stable: Side, limits: Limits) -> str:
    if canary.requests < limits.requests_min or canary.failed < limits.failed_min:
        return ""
    share, usual = _share(canary.failed, canary), _share(stable.failed, stable)
    if share <= max(limits.failed_share_max, limits.times_stable * usual):
        return ""
    return f"{share:.1%} of {canary.requests:.0f} requests failed, {usual:.1%} of stable's"


def _slow(canary: Side, stable: Side, limits: Limits) -> str:
    if canary.p99_seconds is None or canary.requests < limits.requests_min:
        return ""
    if stable.p99_seconds is None:
        limit = limits.p99_max_seconds
    else:
        limit = max(
            limits.times_stable * stable.p99_seconds, stable.p99_seconds + limits.p99_more_seconds
        )
    if canary.p99_seconds <= limit:
        return ""
    usual = "unknown" if stable.p99_seconds is None else f"{stable.p99_seconds:.3f} s"
    return f"p99 is {canary.p99_seconds:.3f} s, stable's is {usual}"


def _letters(canary: Side, stable: Side, limits: Limits) -> str:
    letters, usual = canary.letters or 0.0, stable.letters or 0.0
    if letters < limits.letters_min:
        return ""
    share, usual_share = _share(letters, canary), _share(usual, stable)
    if share <= max(limits.letters_share_max, limits.times_stable * usual_share):
        return ""
    return (
        f"{letters:.0f} events of its shops were set aside over {canary.requests:.0f} requests, "
        f"{usual:.0f} over {stable.requests:.0f} of stable's"
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
