"""Tiers: who is in which since when, by all that counts and the settings, day by day."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from math import floor

from tests.points.histories.model.books import Books
from tests.points.histories.model.campaigns import Campaigns
from tests.points.histories.model.orders import Order
from tests.points.histories.model.people import Person
from tests.points.tiers import model as days
from tests.points.tiers.model import Settings

NOBODY = ""
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Scheme:
    """Tiers as their merchant set them; each has its id, what it multiplies by, and perhaps a
    reward on entry (its place among the rewards).
    """

    measure: str
    settings: Settings
    tiers: tuple[tuple[str, Fraction, int | None], ...]

    def at(self, level: int) -> str:
        return self.tiers[level][0] if level >= 0 else NOBODY

    def level(self, tier: str) -> int:
        return next((at for at, one in enumerate(self.tiers) if one[0] == tier), -1)

    def base(self) -> str:
        return self.at(days.worth(self.settings.thresholds, 0))


@dataclass
class Standing:
    tier: str
    since: datetime
    changes: list[tuple[datetime, str, str]] = field(default_factory=list)  # when, from, to
    is_kept: bool = True  # False: only its changes are, of who was merged


class Tiers(Books):
    """The part of the model that is about tiers."""

    shop: Campaigns
    orders: dict[str, Order]
    schemes: list[tuple[datetime, Scheme]]
    standings: dict[Person, Standing]
    causes: dict[Person, str]
    cached: dict[Person, tuple[object, dict[date, int], dict[date, int]]]

    def reward_on_entry(self, person: Person, place: int, tier: str) -> None:
        raise NotImplementedError

    def save_tiers(self, scheme: Scheme) -> None:
        """From now on; everybody is placed anew by them."""
        today = self.day(self.now)
        if self.schemes:
            before = self.schemes[-1][1]
            placing = (scheme.measure, replace(scheme.settings, placed_on=date.min))
            if placing == (before.measure, replace(before.settings, placed_on=date.min)):
                today = before.settings.placed_on
        scheme = replace(scheme, settings=replace(scheme.settings, placed_on=today))
        if self.schemes and scheme == self.schemes[-1][1]:
            return
        is_placing = not self.schemes or today == self.day(self.now)
        self.schemes.append((self.now, scheme))
        for person in list(self.people.values()) if is_placing else ():
            if person.kept is None:
                self.place(person, "settings")

    def tier_at(self, person: Person, at: datetime) -> tuple[str, Fraction] | None:
        """The tier somebody was in just before, and what it multiplied by then."""
        known = [scheme for since, scheme in self.schemes if since <= at]
        if not known:
            return None
        changes = self.standings[person].changes if person in self.standings else []
        entered = [(moment, place) for place, (moment, _, _) in enumerate(changes) if moment < at]
        tier = changes[max(entered)[1]][2] if entered else known[-1].base()
        found = next((one for one in known[-1].tiers if one[0] == tier), None)
        return (found[0], found[1]) if found else None

    def note_cause(self, order: Order, *, is_new: bool) -> None:
        assert order.person is not None
        self.causes[order.person.root] = "order" if is_new else "refund"

    def place_moved(self) -> None:
        for person, cause in self.causes.items():
            self.place(person, cause)
        self.causes.clear()

    def pass_tiers(self) -> None:
        for person, standing in self.standings.items():
            if standing.is_kept:
                self.place(person, "time")

    def counted(self, person: Person) -> list[tuple[datetime, int]]:
        """When each order was placed that counts for somebody, and its part of the measure."""
        found = []
        measure = self.schemes[-1][1].measure
        for order in self.orders.values():
            is_theirs = order.person is not None and order.person.root is person
            if is_theirs and order.outcome in {"earned", "zero"}:
                spend = 0
                if not order.is_cancelled:
                    spend = max(0, floor(order.worth(order.refunds, {}) * 10_000))
                figures = {"points": max(0, order.net), "spend": spend, "orders": int(spend > 0)}
                found.append((order.placed, figures[measure]))
        return found

    def place(self, person: Person, cause: str) -> None:
        """Where all that counts brings somebody today; how and since when they moved."""
        if not self.schemes:
            return
        scheme, counted = self.schemes[-1][1], self.counted(person)
        standing, something = self.standings.get(person), [one for one in counted if one[1]]
        is_placed = standing is not None and standing.is_kept
        if not is_placed and not something:
            return
        before = standing.tier if standing is not None and is_placed else scheme.base()
        levels, deserved = self.levels(person, something)
        level = levels[self.day(self.now)]
        if standing is None:
            first = min((at for at, _ in something), default=self.now)
            standing = self.standings[person] = Standing(before, first)
        standing.is_kept = True
        if scheme.at(level) == before:
            return
        is_up = level > scheme.level(before)
        since = self._since(standing, something, (levels, deserved), level, cause, is_up=is_up)
        if standing.changes:
            since = max(since, standing.since)
        standing.since = min(self.now, since)
        standing.tier = scheme.at(level)
        standing.changes.append((standing.since, before, standing.tier))
        if is_up and cause in {"order", "refund"}:
            place = scheme.tiers[level][2]
            if place is not None:
                self.reward_on_entry(person, place, standing.tier)

    def _since(
        self,
        standing: Standing,
        something: Sequence[tuple[datetime, int]],
        levels: tuple[dict[date, int], dict[date, int]],
        level: int,
        cause: str,
        *,
        is_up: bool,
    ) -> datetime:
        """The moment of what brought somebody up; the beginning of the day on which time let them
        fall; else now.
        """
        if cause == "settings":
            return self.schemes[-1][0]
        if is_up:
            first = self.day(standing.since) if standing.changes else date.min
            reached = None
            for day in sorted({self.day(at) for at, _ in something}, reverse=True):
                if day >= first and levels[1][day] >= level:
                    reached = day  # it was not lost after it
                    if levels[1].get(day - DAY, -1) < level:
                        break
            if reached is not None:
                return max(at for at, _ in something if self.day(at) == reached)
            return self.now
        if cause in {"time", "order"}:
            day, first = self.day(self.now), min(levels[0])
            while day > first and levels[0][day - DAY] == level:
                day -= DAY
            return standing.since if day == first else self.start_of(day)
        return self.now

    def levels(
        self, person: Person, something: Sequence[tuple[datetime, int]]
    ) -> tuple[dict[date, int], dict[date, int]]:
        """The level of each day, and the one that was deserved where falls are one by one."""
        settings = self.schemes[-1][1].settings
        key = (settings, tuple(something), self.day(self.now))
        known = self.cached.get(person)
        if known is None or known[0] != key:
            bought: dict[date, int] = {}
            for at, amount in something:
                bought[self.day(at)] = bought.get(self.day(at), 0) + amount
            today = self.day(self.now)
            first = min([today, settings.placed_on, *bought]) - DAY
            levels = days.tiers(settings, bought, first, today)
            deserved = levels
            if settings.policy == "one" and settings.period != "forever":
                steady = replace(settings, policy="cycle")
                deserved = days.tiers(steady, bought, first, today)
            known = self.cached[person] = (key, levels, deserved)
        return known[1], known[2]

    def merge_tiers(self, gone: Person, kept: Person) -> None:
        if gone in self.standings:
            del self.standings[gone]
        self.place(kept, "merge")
