"""Points the slow and obvious way: dictionaries and one step at a time: the truth the service is
held to.
"""

from datetime import datetime, timedelta

from tests.points.lives import Message
from tests.points.model_bonuses import Shop
from tests.points.model_codes import Codes, Person, is_of
from tests.points.model_orders import Lot, Order, Rules


class Model(Codes):
    def __init__(self, start: datetime) -> None:
        self.start = start
        self.rules = Rules()
        self.people: dict[str, Person] = {}
        self.orders: dict[str, Order] = {}
        self.holds = []
        self.codes = []
        self.shop = Shop()

    def events(self, told: list[tuple[str, datetime, Message]]) -> None:
        """One batch: messages of orders, by their ids and with the moment they were placed at."""
        news: dict[str, list[Message]] = {}
        for name, placed, message in told:
            if name not in self.orders:
                self.orders[name] = Order(self.rules, placed, self.shop)
            news.setdefault(name, []).append(message)
        for name in sorted(news, key=lambda one: self.orders[one].owner is not None):
            self.follow(name, self.orders[name], news[name])
        self.come_back()

    def follow(self, name: str, order: Order, news: list[Message]) -> None:
        """Orders as they stood first, by their clock; then refunds; then a cancellation."""
        fresh: list[Lot] | None = [] if order.owner is None else None
        kinds = [
            sorted((one for one in news if one.snapshot), key=lambda one: one.at),
            [one for one in news if one.refund],
            [one for one in news if one.is_cancelled],
        ]
        at = self.start
        for message in (one for kind in kinds for one in kind):
            order.hear(message)
            at = order.placed + timedelta(seconds=message.at)
            self.step(f"order:{name}", order, at, fresh)
        for lot in fresh or ():
            if not lot.is_pending and lot.remaining:
                assert order.owner is not None
                self.people[order.owner].repay(lot.remaining, [lot])

    def step(self, source: str, order: Order, at: datetime, fresh: list[Lot] | None) -> None:
        customer = order.customer()
        if order.paid_at() is None or customer is None:
            return
        person = self.people.setdefault(customer, Person())
        if order.owner is None:
            order.decide(customer)
        order.owner = customer
        if order.was_cancelled:
            return
        counted = dict(order.counted)
        gone = order.gone(order.refunds)
        # a refund of pieces that were known to be gone changes nothing about them
        least = {name: min(order.was_gone.get(name, 0), gone[name]) for name in gone}
        order.was_gone = gone
        self.to(source, order, order.target(counted, least), at, person, fresh)
        for name in sorted(order.refunds):
            if name not in counted:
                counted[name] = order.refunds[name]
                self.to(source, order, order.target(counted, least), at, person, fresh)
        order.counted = counted
        order.was_owing = max(0, order.newest.outstanding)
        if order.is_cancelled:
            order.was_cancelled = True
            self.to(source, order, 0, at, person, fresh)

    def to(
        self,
        source: str,
        order: Order,
        points: int,
        at: datetime,
        person: Person,
        fresh: list[Lot] | None,
    ) -> None:
        order.reach(points)
        if points > order.net:
            self.give(source, order, points - order.net, at, person, fresh)
        elif points < order.net:
            self.take_back(source, order, order.net - points, person, fresh)

    def give(
        self,
        source: str,
        order: Order,
        points: int,
        at: datetime,
        person: Person,
        fresh: list[Lot] | None,
    ) -> None:
        left = min(points, order.forgiven)
        order.forgiven -= left
        order.unmet = min(order.unmet, order.forgiven)
        order.asked -= left
        points -= left
        if not points:
            return
        name = source
        if order.given:
            order.revision = order.revision + 1
            name = f"{source}:{order.revision}"
        is_again = points <= order.asked and not order.was_owing
        since = order.paid_at() or at if is_again or not order.given else at
        order.given += points
        available_at = since + timedelta(days=order.rules.pending_days)
        is_pending = order.rules.pending_days > 0
        lot = self.lot(person, name, points, available_at, is_pending, order.rules)
        if fresh is not None:
            fresh.append(lot)
        elif not lot.is_pending:
            person.repay(points, [lot])

    def take_back(
        self, source: str, order: Order, points: int, person: Person, fresh: list[Lot] | None
    ) -> None:
        order.asked += points
        gone = min(points, order.lapsed)
        order.lapsed -= gone
        rest = points - gone
        if fresh is not None:
            bucket = "pending" if any(lot.is_pending for lot in fresh) else "available"
            person.take(rest, among=fresh)
            person.move(bucket, "reversed", rest)
            return
        mine = [lot for lot in person.lots if lot.is_pending and is_of(lot, source)]
        part = min(rest, sum(lot.remaining for lot in mine))
        person.take(part, among=mine)
        person.move("pending", "reversed", part)
        rest -= part
        if self.rules.clawback == "pending_only":
            order.forgiven += rest
            return
        part = min(rest, person.figures["available"])
        person.take(part, first=source)
        person.move("available", "reversed", part)
        if self.rules.clawback == "debt":
            person.figures["debt"] += rest - part
            person.figures["reversed"] += rest - part
        else:
            order.forgiven += rest - part
            order.unmet += rest - part

    def lot(
        self,
        person: Person,
        source: str,
        points: int,
        available_at: datetime,
        is_pending: bool,
        rules: Rules,
    ) -> Lot:
        days = rules.expiry_days
        expires_at = None
        if days is not None:  # the rules of these histories are in UTC
            midnight = available_at.replace(hour=0, minute=0, second=0, microsecond=0)
            expires_at = midnight + timedelta(days=days + 1)
        lot = Lot(source, points, is_pending, available_at, expires_at)
        if points:
            person.lots.append(lot)
            person.figures["pending" if is_pending else "available"] += points
        return lot

    def adjust(self, customer: str, source: str, points: int, at: datetime) -> bool:
        person = self.people.get(customer)
        if person is None or person.figures["available"] + points < 0:
            return False
        if points > 0:
            person.repay(points, [self.lot(person, source, points, at, False, self.rules)])
        else:
            person.take(-points)
            person.move("available", "reversed", -points)
        return True

    def time(self, at: datetime) -> None:
        for person in self.people.values():
            for lot in person.lots:
                if lot.is_pending and lot.remaining and lot.available_at <= at:
                    lot.is_pending = False
                    person.move("pending", "available", lot.remaining)
                    person.repay(lot.remaining, [lot])
            for lot in person.lots:
                if not lot.is_pending and lot.remaining and lot.expires_at and lot.expires_at <= at:
                    person.move("available", "expired", lot.remaining)
                    for name, order in self.orders.items():
                        if is_of(lot, f"order:{name}"):
                            order.lapsed += lot.remaining
                    lot.remaining = 0
