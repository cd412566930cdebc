"""Whether a canary does harm at this moment: what speaks against it adds up while it does, and is
forgotten while it does not, so that few harmed requests are enough and chance is not.

This is a CUSUM test over Poisson counts: each harmed request adds the logarithm of how much
likelier it is of a bad release than of a good one, each request takes what is expected of a good
one.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ops.canary.signals import SLOW_SECONDS, Counts, Tally

# what stable did in the last half a minute is compared with, and in the last moments, if that was
# worse: what befalls both is nobody's fault
USUAL_SECONDS = 30.0, 1.5
USUAL_REQUESTS_MIN = 20  # with fewer nothing is known of stable


@dataclass(frozen=True, slots=True)
class Bounds:
    """A good release harms at most `share_max` of its requests, or `times_stable` what stable
    harms; a bad one `times_worse` as many. At `enough` it goes back. One sample adds `sample_max`
    at most: a moment in which the machine stood still makes many slow at once, and is seen in one
    sample or two.
    """

    share_max: float = 0.01
    times_stable: float = 2.0
    times_worse: float = 10.0
    enough: float = 9.2  # as likely by chance as 1 in 10,000
    sample_max: float = 5.5
    # by seconds: what is a quarter of a second late is seldom a release's fault where many share
    slow_sample_max: Mapping[float, float] = field(
        default_factory=lambda: {0.25: 1.6, 0.5: 2.4, 1.0: 3.5, 2.5: 3.5}
    )


@dataclass(frozen=True, slots=True)
class _Harm:
    name: str
    requests: float
    harmed: float
    usual: float  # share of stable's requests
    longer_than: float | None = None


class Suspicion:
    """What speaks against a canary whose counts are added look by look."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.forget()

    def forget(self) -> None:
        """As if nothing had been counted: what is compared would be of other shops."""
        self.against: dict[str, float] = {}
        self.harmed: dict[str, tuple[float, float]] = {}
        self.seen: deque[tuple[float, Counts]] = deque()

    def add(self, counts: Counts, at: float) -> str:
        """What is wrong with the canary, "" while nothing is; `at` in seconds of any clock."""
        before = self.seen[-1][1] if self.seen else counts
        self.seen.append((at, counts))
        while self.seen[0][0] < at - max(USUAL_SECONDS):
            self.seen.popleft()
        usual = [
            _since(
                next(then for seen_at, then in self.seen if seen_at >= at - ago).stable,
                counts.stable,
            )
            for ago in USUAL_SECONDS
        ]
        now = _since(before.canary, counts.canary)
        said = [self._weigh(one) for one in _harms(now, usual)]
        return next((one for one in said if one), "")

    def _weigh(self, one: _Harm) -> str:
        allowed = max(self.bounds.share_max, self.bounds.times_stable * one.usual)
        worse = self.bounds.times_worse
        weight = one.harmed * math.log(worse) - one.requests * allowed * (worse - 1)
        before = self.against.get(one.name, 0.0)
        most = self.bounds.sample_max
        if one.longer_than is not None:
            most = self.bounds.slow_sample_max[one.longer_than]
        sum_now = max(0.0, before + min(weight, most))
        harmed, requests = self.harmed.get(one.name, (0.0, 0.0)) if before else (0.0, 0.0)
        self.harmed[one.name] = harmed + one.harmed, requests + one.requests
        self.against[one.name] = sum_now
        if sum_now < self.bounds.enough:
            return ""
        harmed, requests = self.harmed[one.name]
        return (
            f"{harmed:.0f} of its last {requests:.0f} requests {one.name}, "
            f"{one.usual:.1%} of stable's"
        )


def _harms(canary: Tally, usual: Sequence[Tally]) -> Iterator[_Harm]:
    def share(harmed: Callable[[Tally], float], all_of: Callable[[Tally], float]) -> float:
        return max(_share(harmed(one), all_of(one)) for one in usual)

    failing = share(lambda one: one.failed, lambda one: one.requests)
    yield _Harm("failed", canary.requests, canary.failed, failing)
    for bound in SLOW_SECONDS:
        slow = share(lambda one: one.slow.get(bound, 0.0), lambda one: one.timed)  # noqa: B023
        name = f"took longer than {bound:g} s"
        yield _Harm(name, canary.timed, canary.slow.get(bound, 0.0), slow, bound)
    letters = share(lambda one: one.letters, lambda one: one.requests)
    name = "left events of its shops set aside"
    yield _Harm(name, canary.requests, canary.letters, letters)


def _since(before: Tally, now: Tally) -> Tally:
    """What came between two countings; where a process began anew, from nothing, that is 0."""
    return Tally(
        max(0.0, now.requests - before.requests),
        max(0.0, now.failed - before.failed),
        max(0.0, now.timed - before.timed),
        {bound: max(0.0, slow - before.slow.get(bound, slow)) for bound, slow in now.slow.items()},
        max(0.0, now.letters - before.letters),
    )


def _share(part: float, whole: float) -> float:
    return part / whole if whole >= USUAL_REQUESTS_MIN else 0.0
