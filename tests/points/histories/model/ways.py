"""What gives points besides orders: accounts, e-mails, birthdays, networks, actions, friends."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from tests.points.histories.model.books import Rules
from tests.points.histories.model.people import Grant, Person
from tests.points.histories.model.rewards import Redemption, Rewards

YEAR = timedelta(days=365)
GIFTS_APART = timedelta(days=360)
NEW = timedelta(days=7)
CATCH_UP = timedelta(days=31)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Way:
    kind: str
    points: int
    per: str = "once"
    times: int = 1
    is_active: bool = True


@dataclass
class Birthday:
    month_day: str
    edited_at: datetime | None = None
    given_on: date | None = None


@dataclass(eq=False)
class Referral(Grant):
    """A friend who was brought: what was told last of either kind, and whether it is rewarded."""

    advocate: str = ""
    points: int = 0
    place: int | None = None  # of the reward that was promised
    completed_at: datetime | None = None
    reversed_at: datetime | None = None
    rewards: list[Redemption] = field(default_factory=list)
    has_reward: bool = False  # given, and not taken back

    @property
    def stands(self) -> bool:
        if self.completed_at is None:
            return False
        return self.reversed_at is None or self.completed_at > self.reversed_at


class Ways(Rewards):
    """The part of the model that is about them."""

    ways: dict[str, list[tuple[datetime, Way]]]  # by what names them
    had: dict[Person, list[tuple[str, str, Grant]]]  # which way, and in which period
    birthdays: dict[str, Birthday]
    walked_on: date | None
    referrals: dict[str, Referral]
    gifts: dict[str, "Gift"]

    def way_at(self, what: str, at: datetime) -> Way | None:
        """As it was then, where it was on; moments are told by the second."""
        whole = at if at.microsecond else at.replace(microsecond=999_999)
        known = [way for since, way in self.ways.get(what, ()) if since <= whole]
        return known[-1] if known and known[-1].is_active else None

    def set_way(self, what: str, way: Way) -> None:
        versions = self.ways.setdefault(what, [])
        if what == "birthday" and (not versions or not versions[-1][1].is_active):
            self.walked_on = None
        versions.append((self.now, way))

    def wish(self, customer: str, kind: str, at: datetime) -> None:
        """An account, or a consent to e-mails, that was told."""
        way = self.way_at(kind, at)
        if way is None and (kind != "account" or self.now - at >= NEW):
            return
        person = self.person(customer)
        if kind in {what for what, _, _ in self.had.get(person, ())}:
            return
        self.gift(person, kind, "", way.points if way else 0, at)

    def gift(self, person: Person, what: str, period: str, points: int, at: datetime) -> bool:
        """With what campaigns add; whether there was something to give."""
        rules = self.rules_at(at)
        if rules.state != "live":
            return False
        extra = self._extra(person, what, at) if what in {"account", "birthday"} else []
        points += sum(more for _, more in extra)
        if not points:
            return False
        times = 1 + sum(one[:2] == (what, period) for one in self.had.get(person, ()))
        part = period if times == 1 else f"{period}.{times}"
        source = f"way:{what}:{person.customer}" + (f":{part}" if part else "")
        grant = self.gifts[source] = Gift(source, person, extra=extra)
        self.had.setdefault(person, []).append((what, period, grant))
        self.award(person, grant.source, points, at, rules, grant)
        return True

    def _extra(self, person: Person, trigger: str, at: datetime) -> list[tuple[str, int]]:
        tier, found = self.tier_at(person, at), []
        for campaign, version in self.shop.running(at, (trigger,)):
            if version.is_for(tier[0] if tier else "", self.groups_at(person, at)):
                left = campaign.left(version, person)
                points = int(version.value) if left is None else min(int(version.value), left)
                if points > 0:
                    campaign.count(person, points)
                    found.append((campaign.name, points))
        return found

    def claim(self, customer: str, what: str) -> int | None:
        """Following, or an action: what it gave, None where it is refused."""
        versions = self.ways.get(what)
        if not versions or not versions[-1][1].is_active or self.rules.state != "live":
            return None
        way, person = versions[-1][1], self.person(customer)
        period = self.period(way.per)
        had = [one for one in self.had.get(person, ()) if one[:2] == (what, period)]
        if len(had) >= way.times:
            return 0
        self.gift(person, what, period, way.points, self.now)
        return way.points

    def period(self, per: str) -> str:
        today = self.day(self.now)
        if per == "week":
            return "{}-W{:02d}".format(*today.isocalendar()[:2])
        return {"day": f"{today}", "month": f"{today:%Y-%m}", "year": f"{today:%Y}"}.get(per, "")

    def say_birthday(self, customer: str, month_day: str) -> bool:
        said, today = self.birthdays.get(customer), self.day(self.now)
        if said is None:
            said = self.birthdays[customer] = Birthday(month_day)
        elif said.month_day != month_day:
            if said.edited_at is not None and self.now < said.edited_at + YEAR:
                return False
            said.month_day, said.edited_at = month_day, self.now
        self._celebrate(customer, today)
        return True

    def _celebrate(self, customer: str, day: date) -> None:
        """On the day itself; in years without a 29 February on the 28th."""
        said = self.birthdays[customer]
        is_leap = day.year % 4 == 0
        days = {f"{day:%m-%d}"} | (
            {"02-29"} if f"{day:%m-%d}" == "02-28" and not is_leap else set()
        )
        if said.month_day not in days:
            return
        if said.given_on is not None and said.given_on > day - GIFTS_APART:
            return
        at = min(self.now, self.start_of(day + DAY) - timedelta(microseconds=1))
        way = self.way_at("birthday", at)
        if way is None or self.rules_at(at).state != "live":
            return
        person = self.person(customer)
        year = f"{day:%Y}"
        if ("birthday", year) in {one[:2] for one in self.had.get(person, ())}:
            return
        if self.gift(person, "birthday", year, way.points, at):
            said.given_on = day

    def pass_birthdays(self) -> None:
        """Days that have come since somebody last looked; those of a month ago at most."""
        versions = self.ways.get("birthday")
        if not versions or not versions[-1][1].is_active:
            return
        today = self.day(self.now)
        while True:
            day = today
            if self.walked_on is not None:
                day = max(self.walked_on + DAY, today - CATCH_UP)
            if day > today:
                return
            for customer in sorted(self.birthdays):
                self._celebrate(customer, day)
            self.walked_on = day

    def refer(self, name: str, told: Referral) -> None:
        """Of two words of a kind the newer one; what was promised first stays."""
        known = self.referrals.setdefault(name, Referral(f"referral:{name}"))
        if told.completed_at and (not known.completed_at or told.completed_at > known.completed_at):
            if known.completed_at is None:
                known.points, known.place = told.points, told.place
            known.completed_at, known.advocate = told.completed_at, told.advocate
        if told.reversed_at and (not known.reversed_at or told.reversed_at > known.reversed_at):
            known.reversed_at = told.reversed_at
            known.advocate = known.advocate or told.advocate

    def bring(self, name: str) -> None:
        """Give the advocate what is not given, or take back what is."""
        one = self.referrals[name]
        if one.person is not None and self.people.get(one.person.customer) is not one.person:
            one.person = None  # is nobody any more
        if one.stands:
            if one.person is None:
                self.person(one.advocate)
                one.person = self.people[one.advocate]
            person = one.person.root
            assert one.completed_at is not None
            rules = self.rules_at(one.completed_at)
            if rules.state == "live":
                self._reward(one, person)
                self._points(one, person, one.completed_at, rules)
        else:
            known = self.people.get(one.advocate)
            one.person = one.person or known
            if one.person is not None:
                if one.has_reward and one.rewards[-1].state in {"held", "captured"}:
                    one.rewards[-1].state, one.has_reward = "released", False
                if one.net:
                    self.take_back(one, one.person.root, one.net)

    def _reward(self, one: Referral, person: Person) -> None:
        """Once; again only when it was taken back."""
        if one.place is None or one.has_reward:
            return
        one.has_reward = True
        self.give(person, one.place, f"{one.source}:{len(one.rewards)}")
        one.rewards.append(self.redemptions[-1])

    def _points(self, one: Referral, person: Person, at: datetime, rules: Rules) -> None:
        """What a policy had left with the advocate was never taken."""
        left = min(one.forgiven, one.points - one.net)
        one.asked -= left
        one.forgiven -= left
        one.unmet = min(one.unmet, one.forgiven)
        if points := one.points - one.net:
            self.award(person, one.source, points, at, rules, one)

    def merge_ways(self, gone: Person, kept: Person) -> None:
        """What both had of a way that gives once is taken back of the one who is gone."""
        ours = {(what, period) for what, period, _ in self.had.get(kept, ())}
        for what, period, grant in sorted(self.had.get(gone, ()), key=lambda one: one[2].source):
            is_once = not what.startswith("action") or not period
            if is_once and (what, period) in ours and grant.net:
                self.take_back(grant, kept, grant.net)
                assert isinstance(grant, Gift)
                for name, points in grant.extra:
                    self.shop.campaigns[name].count(kept, -points)
        self.had.setdefault(kept, []).extend(self.had.pop(gone, ()))
        mine, theirs = self.birthdays.get(kept.customer), self.birthdays.pop(gone.customer, None)
        if theirs is not None and mine is None:
            self.birthdays[kept.customer] = theirs
        elif theirs is not None and mine is not None:
            both = [one.given_on for one in (mine, theirs) if one.given_on is not None]
            mine.given_on = max(both, default=None)


@dataclass(eq=False)
class Gift(Grant):
    """What a way gave, and what campaigns gave of it."""

    extra: list[tuple[str, int]] = field(default_factory=list)
