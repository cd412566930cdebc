"""What counts against a canary, and how seldom chance alone does."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from app.rings import STEPS, bucket_of, ring_of
from ops.canary.judge import Limits, chance, judge, standing
from ops.canary.signals import SLOW_SECONDS, Counts, Look, Side, Tally
from ops.canary.suspicion import Bounds, Suspicion

GOOD = Side(requests=2_000, failed=0, p99_seconds=0.05, letters=0.0, resident_bytes=150_000_000)
LIMITS = Limits()
LOOK_SECONDS = 0.25  # how slow answers are is scraped as often; the rest at every second look


def look(servers: int = 1, stable: Side = GOOD, **canary: float | None) -> Look:
    return Look(replace(GOOD, **canary), stable, servers)


@pytest.mark.parametrize(
    ("canary", "kind"),
    [
        ({}, "good"),
        ({"failed": 600}, "bad"),
        ({"failed": 40}, "good"),  # 2 %: not more
        ({"failed": 41}, "unknown"),  # more, but it may be chance: nobody is promoted by that
        ({"failed": 70}, "bad"),
        ({"requests": 100, "failed": 3}, "unknown"),
        ({"requests": 100, "failed": 9}, "bad"),
        ({"requests": 99}, "unknown"),
        ({"p99_seconds": 0.31}, "bad"),
        ({"p99_seconds": 0.31, "requests": 300}, "unknown"),  # that is three requests
        ({"p99_seconds": 0.29}, "good"),
        ({"p99_seconds": None}, "unknown"),
        ({"letters": 90.0}, "bad"),
        ({"letters": 20.0}, "good"),
        ({"letters": None}, "unknown"),
        ({"resident_bytes": 400_000_000}, "bad"),
        ({"resident_bytes": 250_000_000}, "good"),
        ({"servers": 0}, "bad"),
    ],
)
def test_a_step_is_bad_where_it_did_more_harm_than_stable(canary, kind) -> None:
    assert judge(look(**canary), LIMITS, 100).kind == kind


def test_what_stable_suffers_from_as_well_is_not_its_fault() -> None:
    failing = replace(GOOD, failed=400, p99_seconds=2.0, letters=400.0)
    suffering = look(stable=failing, failed=600, p99_seconds=3.0, letters=500.0)
    assert judge(suffering, LIMITS, 100).kind == "good"


def test_without_stable_to_compare_with_it_is_bad_beyond_what_anybody_may() -> None:
    nobody = Side(0, 0, None, None, None)
    assert judge(look(stable=nobody, p99_seconds=1.5), LIMITS, 100).kind == "good"
    assert judge(look(stable=nobody, p99_seconds=2.5), LIMITS, 100).kind == "bad"


def test_chance_is_what_poisson_says() -> None:
    assert chance(0, 5) == 1.0
    assert chance(1, 0) == 0.0
    assert chance(3, 1.0) == pytest.approx(0.0803, abs=1e-4)
    assert chance(1_500, 1_000) < 1e-6
    assert chance(1_000, 1_000) == pytest.approx(0.5, abs=0.02)


def test_how_it_stands_needs_no_traffic() -> None:
    assert standing(look(), LIMITS) == ""
    assert standing(look(servers=0, requests=0), LIMITS) == "no canary process answers"
    assert "memory" in standing(look(resident_bytes=400_000_000), LIMITS)


class World:
    """Two releases under traffic, by chance, as Prometheus shows them: a request
    fails, is slow or unreadable by these shares.
    """

    def __init__(self, dice: random.Random, per_second: float, share: float) -> None:
        self.dice, self.per_second, self.share = dice, per_second, share
        self.harm = {"canary": (0.0, 0.0, 0.0), "stable": (0.0, 0.0, 0.0)}
        self.stalls_per_second = 0.0
        self.hurt = 0
        self.tallies = {name: [0.0] * 4 for name in self.harm}
        self.shown: Counts = self.counted()

    def counted(self) -> Counts:
        made = {
            name: Tally(requests, failed, requests, dict.fromkeys(SLOW_SECONDS, slow), letters)
            for name, (requests, failed, slow, letters) in self.tallies.items()
        }
        return Counts(made["canary"], made["stable"])

    def go_on(self, seconds: float) -> None:
        for name, share in (("canary", self.share), ("stable", 1 - self.share)):
            tally = self.tallies[name]
            mean = self.per_second * share * seconds
            is_stalled = self.dice.random() < self.stalls_per_second * seconds
            for _ in range(_many(self.dice, mean)):
                tally[0] += 1
                drawn = [self.dice.random() < one for one in self.harm[name]]
                drawn[1] |= is_stalled
                for place, one in enumerate(drawn, 1):
                    tally[place] += one
                self.hurt += any(drawn) and name == "canary"

    def watched(self, seconds: float, bounds: Bounds | None = None) -> Iterator[tuple[float, str]]:
        """What is said at each look."""
        suspicion = Suspicion(bounds or Bounds())
        for number in range(int(seconds / LOOK_SECONDS)):
            self.go_on(LOOK_SECONDS)
            now = self.counted()
            self.shown = Counts(
                *(
                    replace(before, timed=new.timed, slow=new.slow) if number % 2 else new
                    for before, new in (
                        (self.shown.canary, now.canary),
                        (self.shown.stable, now.stable),
                    )
                )
            )
            yield number * LOOK_SECONDS, suspicion.add(self.shown, number * LOOK_SECONDS)


def _many(dice: random.Random, mean: float) -> int:
    """How many come where `mean` are expected, by Poisson."""
    left, many = mean, 0
    while (left := left - dice.expovariate(1.0)) > 0:
        many += 1
    return many


@pytest.mark.parametrize(
    ("harm", "said", "seconds_max"),
    [
        ((0.3, 0, 0), "failed", 10),
        ((0, 1.0, 0), "took longer than", 10),
        ((0, 0, 1.0), "set aside", 10),
        ((0.1, 0, 0), "failed", 30),
    ],
)
def test_a_bad_one_is_found_out_before_twenty_are_hurt(harm, said: str, seconds_max: int) -> None:
    """At 150 requests a second, 5 % of them the canary's; after a minute in which all was well."""
    seen, late = [], 0.0
    for seed in range(8):
        world = World(random.Random(seed), 150.0, 0.05)
        looks = world.watched(120)
        began = next(at for at, wrong in looks if at >= 60 or wrong)
        assert began >= 60
        world.harm["canary"], world.hurt = harm, 0
        ended, wrong = next((at, wrong) for at, wrong in looks if wrong)
        assert said in wrong
        seen.append(world.hurt)
        late = max(late, ended - began)
    print(f"{said}: {sum(seen) / len(seen):.1f} hurt, at most {max(seen)}, {late:.2f} s at most")
    assert max(seen) <= 20
    assert late <= seconds_max


def noisy(share: float) -> Callable[[random.Random], World]:
    def made(dice: random.Random) -> World:
        world = World(dice, 60.0, share)
        world.harm = dict.fromkeys(world.harm, (0.004, 0.004, 0.002))
        world.stalls_per_second = 1 / 60  # half a second in which all is slow, at one of them
        return world

    return made


@pytest.mark.long
@pytest.mark.parametrize("share", [0.05, 0.25, 0.5, 1.0])
def test_a_clean_one_is_not_taken_back_by_chance(share: float) -> None:
    """Ten minutes each, where four in a thousand fail and as many are slow at both, and each
    stalls once a minute for half a second.
    """
    runs, taken = 20 if share > 0.1 else 60, []
    for seed in range(runs):
        world = noisy(share)(random.Random(seed))
        taken += [wrong for _, wrong in world.watched(600) if wrong][:1]
    print(f"{len(taken)} of {runs} clean ones taken back at {share:.0%}: {taken}")
    assert taken == []


def test_what_stable_suffers_from_at_the_same_time_is_nothing_against_it() -> None:
    world = World(random.Random(1), 150.0, 0.05)
    looks = world.watched(120)
    next(at for at, _ in looks if at >= 40)
    world.harm = {"canary": (0.3, 0.3, 0.3), "stable": (0.3, 0.3, 0.3)}
    # the first seconds: stable's own share is known only as fast as it is counted
    assert [wrong for _, wrong in looks if wrong] == []


def test_a_process_that_began_anew_and_another_step_speak_for_nobody() -> None:
    suspicion = Suspicion(Bounds())
    side = Tally(1_000, 500, 1_000, dict.fromkeys(SLOW_SECONDS, 900.0), 50)
    none = Tally(0, 0, 0, dict.fromkeys(SLOW_SECONDS, 0.0), 0)
    assert suspicion.add(Counts(side, none), 0.0) == "", "what was before is nothing new"
    assert suspicion.add(Counts(none, none), 0.5) == ""
    assert suspicion.add(Counts(none, none), 1.0) == ""
    suspicion.forget()
    assert suspicion.add(Counts(side, none), 1.5) == "", "other shops"


def test_one_sample_alone_is_a_moment_of_the_machine() -> None:
    suspicion = Suspicion(Bounds())
    none = Tally(0, 0, 0, dict.fromkeys(SLOW_SECONDS, 0.0), 0)
    stalled = Tally(30, 0, 30, dict.fromkeys(SLOW_SECONDS, 30.0), 0)
    over = Tally(500, 0, 500, dict.fromkeys(SLOW_SECONDS, 30.0), 0)
    again = Tally(530, 0, 530, dict.fromkeys(SLOW_SECONDS, 60.0), 0)
    twice = Tally(560, 0, 560, dict.fromkeys(SLOW_SECONDS, 90.0), 0)
    thrice = Tally(590, 0, 590, dict.fromkeys(SLOW_SECONDS, 120.0), 0)
    found = [
        suspicion.add(Counts(one, none), at * 0.25)
        for at, one in enumerate((none, stalled, over, again, twice, thrice))
    ]
    assert [bool(one) for one in found] == [False, False, False, False, False, True]


def test_rings_are_the_steps_of_a_canary() -> None:
    shops = [f"shop-{number}.myshopify.com" for number in range(4_000)]
    found = {ring: sum(ring_of(shop) == ring for shop in shops) for ring in STEPS}
    assert 140 < found["5"] < 260
    assert all(bucket_of(shop) < 500 for shop in shops if ring_of(shop) == "5")
    assert sum(found.values()) == len(shops)
