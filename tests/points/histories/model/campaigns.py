"""Campaigns the slow and obvious way: which count for an order, what each adds and what is left."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import floor
from typing import TypeVar

from tests.points.histories.model.people import Person

T = TypeVar("T")
KEPT = timedelta(days=60)
FOR_ORDERS = ("order", "first_order", "nth_order", "goal_order", "goal_total")
TIER = 0  # stands among bonuses for the tier
Cents = Callable[[Callable[[str], Fraction]], Fraction]  # with each line so many times
Points = Callable[[Callable[[str], Fraction]], int]
Stacking = tuple[str, Fraction | None]  # the policy, and the most that all multiply by


@dataclass(frozen=True)
class Version:
    """A campaign as it was saved at a moment; `number` says when it was learned."""

    version: int
    at: datetime
    state: str
    starts: datetime
    ends: datetime | None
    trigger: str
    effect: str
    value: Fraction
    product: str  # the only one it is for; empty for all
    cap: int | None
    budget: int | None
    audience: tuple[str, str]  # everyone, tiers, tags or segments, and which
    nth: int = 0
    goal: int = 0  # cents
    number: int = 0

    def runs(self, at: datetime) -> bool:
        moment = at.timestamp()
        is_in = self.starts.timestamp() <= moment
        return self.state == "live" and is_in and (self.ends is None or at < self.ends)

    def is_for(self, tier: str, groups: Collection[str]) -> bool:
        kind, name = self.audience
        return kind == "everyone" or f"{kind}:{name}" in {f"tiers:{tier}", *groups}

    @property
    def is_limited(self) -> bool:
        return self.cap is not None or self.budget is not None


@dataclass(eq=False)
class Campaign:
    name: str
    versions: list[Version] = field(default_factory=list)
    got: dict[Person, int] = field(default_factory=dict)
    spent: dict[Person, int] = field(default_factory=dict)  # millionths, for its goal

    def at(self, moment: float, now: datetime) -> Version | None:
        """As it was then. What is over, or was replaced, for more than two months is forgotten."""
        ordered = sorted(self.versions, key=lambda one: one.version)
        ends = ordered[-1].ends if ordered else None
        if ends is not None and ends <= now - KEPT:
            return None
        kept = kept_of([(one.at, one) for one in ordered], now)
        known = [one for at, one in kept if floor(at.timestamp()) <= moment]
        return known[-1] if known else None

    def left(self, version: Version, person: Person) -> int | None:
        left = []
        if version.budget is not None:
            left.append(version.budget - sum(self.got.values()))
        if version.cap is not None:
            left.append(version.cap - self.got.get(person, 0))
        return max(0, min(left)) if left else None

    def fires(
        self, version: Version, person: Person, of: Fraction, ordinal: int
    ) -> tuple[bool, bool]:
        """Whether the order gets its bonus, and whether it counts for the goal of several."""
        if version.trigger in {"first_order", "nth_order"}:
            return ordinal == (1 if version.trigger == "first_order" else version.nth), False
        if version.trigger == "goal_order":
            return of >= version.goal, False
        if version.trigger == "goal_total":
            before = Fraction(self.spent.get(person, 0), 10_000)
            if self.got.get(person, 0) > 0 or (before and before >= version.goal):
                return False, False
            return before + of >= version.goal, True
        return True, False

    def count(self, person: Person, points: int) -> None:
        self.got[person] = self.got.get(person, 0) + points


def kept_of(versions: list[tuple[datetime, T]], now: datetime) -> list[tuple[datetime, T]]:
    """Those that were not replaced two months ago."""
    after = [at for at, _ in versions[1:]]
    return [
        one
        for place, one in enumerate(versions)
        if place == len(after) or after[place] > now - KEPT
    ]


@dataclass(eq=False)
class Goal:
    """That what stands of an order counts for a campaign's goal."""

    campaign: Campaign
    product: str
    has: int = 0

    def counts(self, line: str) -> Fraction:
        return Fraction(self.product in {"", line})

    def count(self, person: Person, spends: int) -> None:
        spent = self.campaign.spent
        spent[person] = spent.get(person, 0) + spends - self.has
        self.has = spends


@dataclass(eq=False)
class Bonus:
    campaign: Campaign
    version: Version
    of: Fraction = Fraction(0)  # cents of what points were added for
    most: int | None = None
    has: int = 0

    @property
    def number(self) -> int:
        return self.version.number

    def left(self, person: Person | None) -> int | None:
        return self.campaign.left(self.version, person.root) if person else None


class Campaigns:
    """The campaigns of a shop, and how they stack."""

    def __init__(self) -> None:
        self.campaigns: dict[str, Campaign] = {}
        self.stackings: dict[int, tuple[datetime, str, Fraction | None]] = {}
        self.newest = 0
        self.now = datetime.max.replace(tzinfo=UTC)

    def learn(self, name: str, version: Version) -> None:
        known = self.campaigns.setdefault(name, Campaign(name))
        if all(one.version != version.version for one in known.versions):
            self.newest += 1
            known.versions.append(replace(version, number=self.newest))

    def stack(self, version: int, at: datetime, policy: str, most: Fraction | None) -> None:
        if version not in self.stackings:
            self.newest += 1
            self.stackings[version] = (at, policy, most)

    def stacking(self, moment: float) -> Stacking:
        """The newest before that moment; the first way also counted before."""
        by_version = [(self.stackings[one][0], one) for one in sorted(self.stackings)]
        ordered = sorted(
            (floor(at.timestamp()), version, *self.stackings[version][1:])
            for at, version in kept_of(by_version, self.now)
        )
        known = [one for one in ordered if one[0] <= moment]
        found = (known or ordered[:1])[-1:]
        return found[0][2:] if found else ("best_of", None)

    def running(self, at: datetime, triggers: Collection[str]) -> list[tuple[Campaign, Version]]:
        found = []
        for one in self.campaigns.values():
            version = one.at(at.timestamp(), self.now)
            if version is not None and version.trigger in triggers and version.runs(at):
                found.append((one, version))
        return found

    def decide(
        self,
        placed: datetime,
        person: Person,
        tier: tuple[str, Fraction] | None,
        groups: Collection[str],
        goods: tuple[list[str], Cents],
        ordinal: int,
    ) -> tuple[list[Bonus], list[Goal]]:
        """Of an order placed then by that person, of these lines; it is so manieth of theirs."""
        running = [
            (campaign, version)
            for campaign, version in self.running(placed, FOR_ORDERS)
            if version.is_for(tier[0] if tier else "", groups)
        ]
        steady = [
            (campaign, version)
            for campaign, version in running
            if version.effect == "multiply" and not version.product and not version.is_limited
            if version.trigger == "order"
        ]
        others = [one for one in running if one not in steady]
        best = tier[1] if tier else Fraction(0)
        is_best = self.stacking(placed.timestamp())[0] == "best_of"
        if is_best:
            top = max(steady, key=lambda one: (one[1].value, -one[1].number), default=None)
            steady = [top] if top is not None and top[1].value > best else []
            best = max([best, *(version.value for _, version in steady)])
        found, covered = [Bonus(*one) for one in steady], best if is_best else Fraction(0)
        more, goals = self.more(person, others, covered, goods, ordinal)
        return found + more, goals

    def more(
        self,
        person: Person,
        others: list[tuple[Campaign, Version]],
        best: Fraction,
        goods: tuple[list[str], Cents],
        ordinal: int,
    ) -> tuple[list[Bonus], list[Goal]]:
        """Those of the others that count for these lines, where so much multiplies all already;
        and for whose goal the order counts, whether it reaches it or not.
        """
        lines, cents = goods
        found, goals = [], []
        for campaign, version in others:
            is_covered = version.effect == "multiply" and version.value <= best
            if version.product and version.product not in lines:
                continue
            of = cents(lambda name, one=version: Fraction(one.product in {"", name}))
            of = Fraction(floor(of * 10_000), 10_000)
            fires, is_counted = campaign.fires(version, person, of, ordinal)
            if is_counted:
                goals.append(Goal(campaign, version.product))
            if fires and not is_covered and campaign.left(version, person) != 0:
                found.append(Bonus(campaign, version, of))
        return found, goals

    def merge(self, gone: Person, kept: Person) -> None:
        for one in self.campaigns.values():
            for figures in (one.got, one.spent):
                if gone in figures:
                    figures[kept] = figures.get(kept, 0) + figures.pop(gone)


def shares(
    bonuses: list[Bonus], tier: Fraction | None, stacking: Stacking, points: Points, cents: Cents
) -> dict[int, int]:
    """What each adds; of what multiplies the most first, each on top of those before it."""
    found, total, counting = {}, points(lambda _: Fraction(1)), list[tuple[Fraction, str]]()
    multiplying = [
        (one.version.value, one.number, one.version.product, one.most)
        for one in bonuses
        if one.version.effect == "multiply"
    ]
    if tier is not None:
        multiplying.append((tier, TIER, "", None))
    for value, number, product, most in sorted(multiplying, key=lambda one: (-one[0], one[1])):
        with_it = [*counting, (value, product)]
        share = max(0, points(lambda name, some=with_it: times(some, stacking, name)) - total)
        if most is not None and share > most and stacking[0] == "best_of":
            total += most
        else:
            total, counting = total + share, with_it
        found[number] = share if most is None else min(share, most)
    for one in bonuses:
        if one.version.effect == "add":
            stands = cents(lambda name, one=one: Fraction(one.version.product in {"", name}))
            part = min(Fraction(1), stands / one.of) if one.of else Fraction(0)
            share = floor(part * one.version.value)
            found[one.number] = share if one.most is None else min(share, one.most)
    return found


def times(counting: list[tuple[Fraction, str]], stacking: Stacking, line: str) -> Fraction:
    policy, most = stacking
    factors = [value for value, product in counting if product in {"", line}]
    if policy == "best_of":
        found = max([Fraction(1), *factors])
    elif policy == "add":
        found = 1 + sum(factor - 1 for factor in factors)
    else:
        found = Fraction(1)
        for factor in factors:
            found = Fraction(floor(found * factor * 10_000), 10_000)
    return found if most is None else min(found, most)
