"""Points the slow and obvious way: fractions, dictionaries and one step at a time: the truth
the service is held to.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

ROUNDINGS = {"down": ROUND_FLOOR, "nearest": ROUND_HALF_UP, "up": ROUND_CEILING}
NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass
class Rules:
    rate: str = "1"
    rounding: str = "down"
    pending_days: int = 0
    expiry_days: int | None = None
    clawback: str = "within_balance"


@dataclass
class Lot:
    source: str
    remaining: int
    is_pending: bool
    available_at: datetime
    expires_at: datetime | None


@dataclass
class Award:
    customer: str | None
    points: int
    lines: dict[str, tuple[int, Decimal, int]]  # quantity, base, points
    refunded: dict[str, int] = field(default_factory=dict)
    amount: Decimal = Decimal(0)
    cancelled: bool = False
    reversed: int = 0

    def target(self) -> int:
        if self.cancelled:
            return self.points
        money, points = Fraction(self.amount), 0
        for name, (quantity, base, share) in self.lines.items():
            part = Fraction(min(self.refunded.get(name, 0), quantity), quantity)
            money += Fraction(base) * part
            points += int(share * part)
        whole = sum(Fraction(base) for _, base, _ in self.lines.values())
        if money >= whole:
            return self.points
        return min(self.points, points + int(self.points * Fraction(self.amount) / whole))


class Person:
    def __init__(self) -> None:
        self.figures = dict.fromkeys(
            ("pending", "available", "held", "spent", "expired", "reversed", "debt"), 0
        )
        self.lots: list[Lot] = []

    def take(
        self, points: int, first: str = "", among: list[Lot] | None = None
    ) -> list[tuple[Lot, int]]:
        lots = [lot for lot in (self.lots if among is None else among) if not lot.is_pending]
        lots.sort(
            key=lambda lot: (
                lot.source != first,
                lot.expires_at or NEVER,
                lot.available_at,
                self.lots.index(lot),
            )
        )
        taken = []
        for lot in lots:
            part = min(points, lot.remaining)
            if part:
                lot.remaining -= part
                points -= part
                taken.append((lot, part))
        assert points == 0
        return taken

    def move(self, start: str, end: str, points: int) -> None:
        self.figures[start] -= points
        self.figures[end] += points

    def repay(self, points: int, among: list[Lot]) -> None:
        owed = min(points, self.figures["debt"])
        if owed:
            self.take(owed, among=among)
            self.figures["available"] -= owed
            self.figures["debt"] -= owed


class Model:
    def __init__(self, start: datetime) -> None:
        self.start = start
        self.rules = Rules()
        self.people: dict[str, Person] = {}
        self.awards: dict[str, Award] = {}
        self.seen: set[str] = set()
        self.waiting: dict[str, list[Any]] = {}
        self.holds: list[Any] = []

    def events(self, paid: dict[str, Any], reversals: dict[str, Any]) -> None:
        """One batch: orders by id, and reversals by source as (order, lines, amount, cancelled)."""
        fresh = [order for order in paid if order not in self.awards]
        late = []
        for source, reversal in reversals.items():
            if source in self.seen:
                continue
            self.seen.add(source)
            order = reversal[0]
            if order in self.awards:
                late.append(reversal)
            else:
                self.waiting.setdefault(order, []).append(reversal)
        for order in fresh:
            self.earn(order, *paid[order])
        for reversal in late:
            self.take_back(*reversal)

    def earn(
        self, order: str, customer: str | None, lines: dict[str, tuple[int, str, bool]]
    ) -> None:
        earning = {
            name: (quantity, Decimal(base))
            for name, (quantity, base, is_gift) in lines.items()
            if not is_gift
        }
        whole = sum((base for _, base in earning.values()), Decimal(0))
        exact = whole * Decimal(self.rules.rate)
        points = int(exact.quantize(Decimal(1), ROUNDINGS[self.rules.rounding])) if customer else 0
        shares = {
            name: Fraction(base) * points / Fraction(whole) if whole else Fraction(0)
            for name, (_, base) in earning.items()
        }
        whole_shares = {name: int(share) for name, share in shares.items()}
        by_rest = sorted(shares, key=lambda name: shares[name] - int(shares[name]), reverse=True)
        for name in by_rest[: points - sum(whole_shares.values())]:
            whole_shares[name] += 1
        award = Award(
            customer, points, {name: (*earning[name], whole_shares[name]) for name in earning}
        )
        self.awards[order] = award
        known = self.waiting.pop(order, [])
        if not customer:
            for _, refunded, amount, cancelled in known:
                self.note(award, refunded, amount, cancelled)
            return
        person = self.people.setdefault(customer, Person())
        available_at = self.start + timedelta(days=self.rules.pending_days)
        lot = self.lot(person, f"order:{order}", points, available_at, self.rules.pending_days > 0)
        for _, refunded, amount, cancelled in known:
            asked = self.note(award, refunded, amount, cancelled)
            lot.remaining -= asked
            person.move("pending" if lot.is_pending else "available", "reversed", asked)
        if not lot.is_pending:
            person.repay(lot.remaining, [lot])

    def lot(
        self, person: Person, source: str, points: int, available_at: datetime, is_pending: bool
    ) -> Lot:
        days = self.rules.expiry_days
        expires_at = None
        if days is not None:  # the rules of these histories are in UTC
            midnight = available_at.replace(hour=0, minute=0, second=0, microsecond=0)
            expires_at = midnight + timedelta(days=days + 1)
        lot = Lot(source, points, is_pending, available_at, expires_at)
        if points:
            person.lots.append(lot)
            person.figures["pending" if is_pending else "available"] += points
        return lot

    def note(self, award: Award, refunded: dict[str, int], amount: str, cancelled: bool) -> int:
        for name, quantity in refunded.items():
            award.refunded[name] = award.refunded.get(name, 0) + quantity
        award.amount += Decimal(amount)
        award.cancelled = award.cancelled or cancelled
        asked = award.target() - award.reversed
        assert asked >= 0
        award.reversed += asked
        return asked

    def take_back(self, order: str, refunded: dict[str, int], amount: str, cancelled: bool) -> None:
        award = self.awards[order]
        rest = self.note(award, refunded, amount, cancelled)
        if not award.customer or not rest:
            return
        person = self.people[award.customer]
        for lot in person.lots:
            if lot.source == f"order:{order}" and lot.is_pending:
                part = min(rest, lot.remaining)
                lot.remaining -= part
                person.move("pending", "reversed", part)
                rest -= part
        if self.rules.clawback == "pending_only":
            return
        part = min(rest, person.figures["available"])
        person.take(part, first=f"order:{order}")
        person.move("available", "reversed", part)
        if self.rules.clawback == "debt":
            person.figures["debt"] += rest - part
            person.figures["reversed"] += rest - part

    def redeem(self, customer: str, cost: int) -> bool:
        person = self.people.get(customer)
        if person is None or person.figures["available"] < cost:
            return False
        self.holds.append((person, cost, person.take(cost)))
        person.move("available", "held", cost)
        return True

    def settle(self, index: int, is_captured: bool) -> None:
        person, cost, taken = self.holds.pop(index)
        person.move("held", "spent" if is_captured else "available", cost)
        if not is_captured:
            for lot, part in taken:
                lot.remaining += part
            person.repay(cost, [lot for lot, _ in taken])

    def adjust(self, customer: str, source: str, points: int, at: datetime) -> bool:
        person = self.people.get(customer)
        if person is None or person.figures["available"] + points < 0:
            return False
        if points > 0:
            person.repay(points, [self.lot(person, source, points, at, is_pending=False)])
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
                    lot.remaining = 0
