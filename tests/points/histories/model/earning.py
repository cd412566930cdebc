"""Orders become points: decided once they earn, and moved to what they are worth, word by word."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from tests.points.histories.model.campaigns import FOR_ORDERS, Campaign, Version
from tests.points.histories.model.orders import Order
from tests.points.histories.model.people import Lot, Person
from tests.points.histories.model.tiers import Tiers
from tests.points.lives import Message

Heard = tuple[str, datetime, Message]  # the order's id, when it was placed, and what was said


class Earning(Tiers):
    """The part of the model that is about orders."""

    orders: dict[str, Order]
    gave: list[Order]  # that gave points, by when they first did
    groups: dict[tuple[str, str], dict[datetime, bool]]  # by customer and name, tags:vip

    def follow(self, told: Iterable[Heard]) -> None:
        """One batch: orders that give for the first time go first; then tiers follow."""
        news: dict[str, list[Message]] = {}
        for name, placed, message in told:
            news.setdefault(name, []).append(message)
            if name not in self.orders:
                rules = self.rules_at(placed)
                source = f"order:{name}"
                self.orders[name] = Order(source, placed=placed, rules=rules)
        was_new = {name: self.orders[name].is_unheard_of for name in news}
        order = sorted(news, key=lambda one: self._is_late(self.orders[one]))
        moving = {name for name in order if self._follow(self.orders[name], news[name])}
        for name in news:  # the last one that moves somebody is the cause
            if name in moving:
                self.note_cause(self.orders[name], is_new=was_new[name])
        self.place_moved()

    @staticmethod
    def _is_late(order: Order) -> bool:
        return order.person is not None

    def _follow(self, order: Order, news: list[Message]) -> bool:
        """Orders as they stood first, by their clock; then refunds; then a cancellation."""
        if order.person is not None and self.people.get(order.person.customer) is not order.person:
            order.person = None  # who had it is nobody any more
        fresh: list[Lot] | None = [] if order.person is None else None
        kinds = [
            sorted((one for one in news if one.snapshot), key=lambda one: one.at),
            [one for one in news if one.refund],
            [one for one in news if one.is_cancelled],
        ]
        is_moved = False
        for message in (one for kind in kinds for one in kind):
            before = order.known()
            order.hear(message)
            at = order.placed + timedelta(seconds=message.at)
            if order.known() != before:
                is_moved = self._step(order, at, fresh) or is_moved
        for lot in fresh or ():
            if not lot.is_pending and lot.remaining:
                assert order.person is not None
                order.person.root.repay(lot.remaining, [lot])
        return is_moved

    def _step(self, order: Order, at: datetime, fresh: list[Lot] | None) -> bool:
        """Whether it is somebody's."""
        customer = order.customer()
        if order.paid_at() is None or customer is None:
            return False
        if order.person is None:
            order.person = self.people.setdefault(customer, Person(customer))
            order.number = max(one.number for one in self.orders.values()) + 1
            self._decide(order)
        person = order.person.root
        if order.was_cancelled:
            return True
        counted = dict(order.counted)
        gone = order.gone(order.refunds)
        # a refund of pieces that were known to be gone changes nothing about them
        least = {name: min(order.was_gone.get(name, 0), gone[name]) for name in gone}
        order.was_gone = gone
        self._to(order, order.target(counted, least), at, person, fresh)
        for name in sorted(order.refunds):
            if name not in counted:
                counted[name] = order.refunds[name]
                self._to(order, order.target(counted, least), at, person, fresh)
        order.counted = counted
        order.was_owing = max(0, order.newest.outstanding)
        if order.is_cancelled:
            order.was_cancelled = True
            order.spends = [0] * len(order.goals)
            self._to(order, 0, at, person, fresh)
        return True

    def _decide(self, order: Order) -> None:
        """Which tier and campaigns count, once it earns."""
        assert order.person is not None
        person = order.person.root
        order.bonuses, order.goals = [], []
        order.tier = self.tier_at(person, order.placed)
        order.policy, order.most_times = self.shop.stacking(order.placed.timestamp())
        order.until = self.shop.newest
        groups = self.groups_at(person, order.placed)
        order.bonuses, order.goals = self.shop.decide(
            order.placed,
            person,
            order.tier,
            groups,
            (_goods(order), _cents(order)),
            self._ordinal(order, person),
        )
        if not order.is_live:
            order.goals = []

    def _ordinal(self, order: Order, person: Person) -> int:
        """How manieth of the customer's orders that gave them points it is."""
        whole = 1 + len(self.gave)
        own = self.gave.index(order) if order in self.gave else whole
        before = [one for one in self.gave[:own] if one.person and one.person.root is person]
        return 1 + len([one for one in before if one is not order])

    def decide_again(self) -> None:
        """Campaigns that were told late: the same decision once more, of those alone."""
        newest = self.shop.newest
        late = sorted(
            (one for one in self.orders.values() if one.until < newest),
            key=lambda one: (not one.given, -one.number),
        )
        for order in late:
            person = None
            if order.person is not None and order.person in self.people.values():
                person = order.person.root
            if person is None or order.was_cancelled or order.is_cancelled or not order.is_live:
                continue
            had = {one.campaign for one in order.bonuses}
            groups = self.groups_at(person, order.placed)
            running: list[tuple[Campaign, Version]] = [
                (campaign, version)
                for campaign, version in self.shop.running(order.placed, FOR_ORDERS)
                if version.number > order.until and campaign not in had
                if version.is_for(order.tier[0] if order.tier else "", groups)
            ]
            order.until = newest
            bonuses, goals = self.shop.more(
                person,
                running,
                _covered(order),
                (_goods(order), _cents(order)),
                self._ordinal(order, person),
            )
            order.bonuses += bonuses
            order.goals += goals
            target = order.target(order.counted, {})
            order.reach(target)
            if target != order.net:
                at = order.paid_at()
                assert at is not None
                self._to(order, target, at, person, None, is_campaign=True)
            self.note_cause(order, is_new=False)
        self.place_moved()

    def groups_at(self, person: Person, at: datetime) -> set[str]:
        """The newest word before the moment; who was first heard of as leaving had been in."""
        found = set()
        for (customer, name), words in self.groups.items():
            if customer == person.customer and words:
                before = [one for one in words if one <= at]
                is_in = words[max(before)] if before else not words[min(words)]
                found |= {name} if is_in else set()
        return found

    def _to(
        self,
        order: Order,
        points: int,
        at: datetime,
        person: Person,
        fresh: list[Lot] | None,
        *,
        is_campaign: bool = False,
    ) -> None:
        order.reach(points)
        if points > order.net:
            self._give(order, points - order.net, at, person, fresh, is_campaign=is_campaign)
        elif points < order.net:
            self.take_back(order, person, order.net - points, fresh)

    def _give(
        self,
        order: Order,
        points: int,
        at: datetime,
        person: Person,
        fresh: list[Lot] | None,
        *,
        is_campaign: bool,
    ) -> None:
        left = min(points, order.forgiven)
        order.forgiven -= left
        order.unmet = min(order.unmet, order.forgiven)
        order.asked -= left
        points -= left
        if not points:
            return
        source = order.source
        if order.given:
            order.revision += 1
            source = f"{source}:{order.revision}"
        is_again = points <= order.asked and not order.was_owing
        since = order.paid_at() or at if is_again or is_campaign or not order.given else at
        if not order.given:
            self.gave.append(order)
        order.given += points
        available_at = since + timedelta(days=order.rules.pending_days)
        lot = self.earn(person, source, points, available_at, order.rules, order)
        if fresh is not None:
            fresh.append(lot)
        elif not lot.is_pending:
            person.repay(points, [lot])


def _goods(order: Order) -> list[str]:
    return [line.name for line in order.newest.lines if line.kind == "goods"]


def _cents(order: Order):
    return lambda times: order.worth(order.refunds, {}, times)


def _covered(order: Order):
    """Where the best one counts, what all of the order is multiplied by already."""
    if order.policy != "best_of":
        return 0
    everything = [
        one.version.value
        for one in order.bonuses
        if one.version.effect == "multiply"
        and not one.version.product
        and not one.version.is_limited
    ]
    return max([*everything, order.tier[1] if order.tier else 0])
