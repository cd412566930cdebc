"""Campaigns the slow and obvious way: which count for an order, what each adds and what is left."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from math import floor


@dataclass
class Campaign:
    """It runs since `at`, for everyone; `product` is the only one it is for, empty for all."""

    name: str
    effect: str
    value: Fraction
    product: str
    cap: int | None
    budget: int | None
    at: datetime
    got: dict[str, int] = field(default_factory=dict)  # by customer

    @property
    def is_limited(self) -> bool:
        return self.cap is not None or self.budget is not None

    def left(self, customer: str) -> int | None:
        left = []
        if self.budget is not None:
            left.append(self.budget - sum(self.got.values()))
        if self.cap is not None:
            left.append(self.cap - self.got.get(customer, 0))
        return max(0, min(left)) if left else None


@dataclass
class Bonus:
    campaign: Campaign
    of: Fraction = Fraction(0)  # cents of what points were added for
    most: int | None = None
    has: int = 0


Points = Callable[[Callable[[str], Fraction]], int]  # with each line so many times
Cents = Callable[[Callable[[str], Fraction]], Fraction]


class Shop:
    """The campaigns of a shop, and how they stack."""

    def __init__(self) -> None:
        self.campaigns: list[Campaign] = []
        self.policies: list[tuple[datetime, str]] = []

    def policy(self, placed: datetime) -> str:
        known = [name for at, name in self.policies if _second(at) <= placed.timestamp()]
        return (known or [name for _, name in self.policies[:1]] or ["best_of"])[-1]

    def decide(
        self, placed: datetime, customer: str, lines: list[str], cents: Cents
    ) -> list[Bonus]:
        running = [one for one in self.campaigns if _second(one.at) <= placed.timestamp()]
        steady = [
            one
            for one in running
            if one.effect == "multiply" and not one.product and not one.is_limited
        ]
        others = [one for one in running if one not in steady]
        best = Fraction(0)
        if self.policy(placed) == "best_of" and steady:
            best = max(one.value for one in steady)
            steady = [next(one for one in steady if one.value == best)]
        found = [Bonus(one) for one in steady]
        for one in others:
            is_covered = one.effect == "multiply" and one.value <= best
            is_there = not one.product or one.product in lines
            if not is_covered and is_there and one.left(customer) != 0:
                of = cents(lambda name, one=one: Fraction(one.product in {"", name}))
                found.append(Bonus(one, Fraction(floor(of * 10_000), 10_000)))
        return found


def shares(bonuses: list[Bonus], policy: str, points: Points, cents: Cents) -> dict[str, int]:
    """What each adds; of what multiplies the most first, each on top of those before."""
    found, total, counting = {}, points(lambda _: Fraction(1)), []
    multiplying = [one for one in bonuses if one.campaign.effect == "multiply"]
    for one in sorted(multiplying, key=lambda one: (-one.campaign.value, int(one.campaign.name))):
        with_it = [*counting, one]
        share = max(0, points(lambda name, with_it=with_it: times(with_it, policy, name)) - total)
        if one.most is not None and share > one.most:
            if policy == "best_of":
                total += one.most
            else:
                total, counting = total + share, with_it
            share = one.most
        else:
            total, counting = total + share, with_it
        found[one.campaign.name] = share
    for one in bonuses:
        if one.campaign.effect == "add":
            stands = cents(lambda name, one=one: Fraction(one.campaign.product in {"", name}))
            part = min(Fraction(1), stands / one.of) if one.of else Fraction(0)
            share = floor(part * one.campaign.value)
            found[one.campaign.name] = share if one.most is None else min(share, one.most)
    return found


def times(bonuses: list[Bonus], policy: str, line: str) -> Fraction:
    factors = [one.campaign.value for one in bonuses if one.campaign.product in {"", line}]
    if policy == "best_of":
        return max([Fraction(1), *factors])
    if policy == "add":
        return 1 + sum(factor - 1 for factor in factors)
    found = Fraction(1)
    for factor in factors:
        found = Fraction(floor(found * factor * 10_000), 10_000)
    return found


def _second(at: datetime) -> int:
    return floor(at.timestamp())
