"""Rewards: points set aside, spent and back again, and what is given for nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from tests.points.histories.model.earning import Earning
from tests.points.histories.model.people import Grant, Lot, Person

HOUR, NEVER_ASKED = timedelta(hours=1), timedelta(minutes=10)
USES_LATE = timedelta(minutes=15)
CODES = ("amount_off", "percent_off", "free_shipping", "free_product")


@dataclass
class Reward:
    """`choose` is the least, the most and the step of one whose points are chosen."""

    kind: str
    cost: int
    choose: tuple[int, int, int] | None = None
    on_return: str = "whole"
    on_unused: str = "keep"
    code_days: int | None = None
    grace_days: int = 0
    per_customer: int | None = None
    tiers: tuple[str, ...] = ()
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    is_active: bool = True


@dataclass(eq=False)
class Redemption:
    number: int
    person: Person
    place: int  # of its reward
    reward: Reward  # as it was
    points: int
    taken: list[tuple[Lot, int]]
    made_at: datetime
    ends_at: datetime | None
    source: str = ""  # of what is given for nothing
    state: str = "held"
    attempts: int = 0
    is_lost: bool = False  # it was made, and nobody heard of it
    order: str = ""  # that used it, as it was told
    is_spent: bool = False  # its code was used, told or not
    returned: int = 0


class Rewards(Earning):
    """The part of the model that is about rewards."""

    rewards: list[Reward]
    redemptions: list[Redemption]

    def redeem(self, customer: str, place: int, points: int | None) -> Redemption | None:
        reward, person = self.rewards[place], self.people.get(customer)
        if person is None or person.kept is not None:
            return None
        is_open = (reward.starts_at is None or self.now >= reward.starts_at) and (
            reward.ends_at is None or self.now < reward.ends_at
        )
        tier = self.tier_at(person, self.now)
        is_for = not reward.tiers or (tier is not None and tier[0] in reward.tiers)
        had = [
            one
            for one in self.redemptions
            if one.person.root is person and one.place == place
            if one.state != "released" and one.points > 0
        ]
        is_allowed = reward.per_customer is None or len(had) < reward.per_customer
        cost = reward.cost if reward.choose is None else self._chosen(reward, points)
        if not (reward.is_active and self.rules.state == "live" and is_open and is_for):
            return None
        if not is_allowed or cost is None:
            return None
        lots = [
            lot
            for lot in person.lots
            if not lot.is_pending and (lot.expires_at is None or lot.expires_at > self.now)
        ]
        if sum(lot.remaining for lot in lots) < cost:
            return None
        taken = person.take(cost, among=lots)
        person.move("available", "held", cost)
        return self._note(person, place, cost, taken)

    @staticmethod
    def _chosen(reward: Reward, points: int | None) -> int | None:
        assert reward.choose is not None
        least, most, step = reward.choose
        is_fine = points is not None and least <= points <= most and (points - least) % step == 0
        return points if is_fine else None

    def _note(
        self, person: Person, place: int, points: int, taken: list[tuple[Lot, int]]
    ) -> Redemption:
        reward, number = self.rewards[place], len(self.redemptions)
        ends_at = None
        if reward.code_days is not None:
            ends_at = (self.now + timedelta(days=reward.code_days)).replace(microsecond=0)
        found = Redemption(number, person, place, reward, points, taken, self.now, ends_at)
        self.redemptions.append(found)
        return found

    def give(self, person: Person, place: int, source: str) -> None:
        """A reward for nothing, once for what it is for."""
        if all(one.source != source for one in self.redemptions):
            self._note(person, place, 0, []).source = source

    def reward_on_entry(self, person: Person, place: int, tier: str) -> None:
        self.give(person, place, f"tier:{tier}:{id(person)}")

    def attempt(self, one: Redemption, how: str) -> None:
        """The code is asked for: made, refused, lost (made, nobody hears of it) or silent."""
        if one.state != "held":
            return
        one.attempts += 1
        is_late = self.now >= one.made_at + HOUR
        if one.attempts == 1 and (is_late or self.now >= one.made_at + NEVER_ASKED):
            self.release(one)
        elif how in {"lost", "silent"} and not is_late:
            one.is_lost = how == "lost"
        elif how == "refused" or (is_late and not one.is_lost):
            self.release(one)
        else:
            one.state = "captured"
            one.person.root.move("held", "spent", one.points)

    def release(self, one: Redemption, *, has_grace: bool = False) -> None:
        """Nothing comes of it, or it was taken back unused."""
        bucket = "held" if one.state == "held" else "spent"
        one.state = "released"
        self._bring(one, bucket, one.points, one.taken, has_grace=has_grace)

    def sweep(self) -> None:
        """Whoever looks after redemptions has gone on with all that are due."""
        for one in self.redemptions:
            if one.state == "held":
                self.attempt(one, "made")
            elif one.state == "captured" and one.reward.on_unused == "give_back":
                is_over = one.ends_at is not None and self.now >= one.ends_at + USES_LATE
                if is_over and not one.is_spent:
                    self.release(one, has_grace=True)

    def use(self, one: Redemption, order: str) -> None:
        """An order was told that has its code."""
        if one.state == "captured":
            one.state, one.order = "used", order

    def come_back(self) -> None:
        """Of codes whose orders came back, what their policy says and is not back yet."""
        for one in self.redemptions:
            if one.state != "used" or one.order not in self.orders:
                continue
            share = self.orders[one.order].share_gone()
            policy = one.reward.on_return
            if policy == "never" or (policy == "whole" and share < 1):
                continue
            wanted = max(0, int(one.points * max(share, Fraction(0))))
            if wanted > one.returned:
                parts = self._next_parts(one, wanted - one.returned)
                one.returned = wanted
                count = sum(part for _, part in parts)
                self._bring(one, "spent", count, parts, has_grace=True)

    @staticmethod
    def _next_parts(one: Redemption, points: int) -> list[tuple[Lot, int]]:
        """What was taken last comes back first, behind what is back already."""
        skip, parts = one.returned, []
        for lot, taken in reversed(one.taken):
            here = max(0, taken - skip)
            skip = max(0, skip - taken)
            part = min(points, here)
            if part:
                parts.append((lot, part))
                points -= part
        return parts

    def _bring(
        self,
        one: Redemption,
        bucket: str,
        points: int,
        parts: Sequence[tuple[Lot, int]],
        *,
        has_grace: bool,
    ) -> None:
        """Into the lots they came from, or of the same grant where those end too soon; what orders
        that came back would have taken goes now; then a debt is paid.
        """
        person = one.person.root
        person.move(bucket, "available", points)
        until = None
        if has_grace and one.reward.grace_days:
            until = self.ends(self.now, one.reward.grace_days)
        restored = []
        for lot, part in sorted(parts, key=lambda pair: pair[0].number):
            if until is not None and lot.expires_at is not None and lot.expires_at < until:
                place = self.lot(person, lot.source, part, self.now, until, lot.grant)
            else:
                place = lot
                lot.remaining += part
            restored.append((place, part))
        left = points - self._take_unmet(person, restored)
        person.repay(left, [lot for lot, _ in restored])

    @staticmethod
    def _take_unmet(person: Person, restored: list[tuple[Lot, int]]) -> int:
        in_all = 0
        for lot, part in restored:
            grant: Grant | None = lot.grant
            if grant is not None:
                now = min(part, grant.unmet)
                lot.remaining -= now
                person.move("available", "reversed", now)
                grant.unmet -= now
                grant.forgiven -= now
                in_all += now
        return in_all
