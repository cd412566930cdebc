"""What becomes of points that buy codes, the slow and obvious way: held, spent, and back again."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from tests.points.model_orders import NEVER, Lot, Order


class Person:
    def __init__(self) -> None:
        self.figures = dict.fromkeys(
            ("pending", "available", "held", "spent", "expired", "reversed", "debt"), 0
        )
        self.lots: list[Lot] = []

    def take(
        self, points: int, first: str = "", among: list[Lot] | None = None
    ) -> list[tuple[Lot, int]]:
        lots = [lot for lot in self.lots if not lot.is_pending] if among is None else list(among)
        lots.sort(
            key=lambda lot: (
                not is_of(lot, first),
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


def is_of(lot: Lot, order: str) -> bool:
    return lot.source == order or lot.source.startswith(f"{order}:")


@dataclass
class Code:
    """A code that was made, and the order that used it."""

    person: Person
    customer: str
    cost: int
    taken: list[tuple[Lot, int]]
    policy: str
    order: str = ""
    returned: int = 0


class Codes:
    """The part of the model that is about codes."""

    people: dict[str, Person]
    orders: dict[str, Order]
    holds: list[Any]
    codes: list[Code]

    def redeem(self, customer: str, cost: int, policy: str = "whole") -> bool:
        person = self.people.get(customer)
        if person is None or person.figures["available"] < cost:
            return False
        self.holds.append((person, cost, person.take(cost), customer, policy))
        person.move("available", "held", cost)
        return True

    def settle(self, index: int, is_captured: bool) -> None:
        person, cost, taken, customer, policy = self.holds.pop(index)
        person.move("held", "spent" if is_captured else "available", cost)
        if is_captured:
            self.codes.append(Code(person, customer, cost, taken, policy))
        else:
            for lot, part in taken:
                lot.remaining += part
            left = cost - self.take_unmet(person, taken)
            person.repay(left, [lot for lot, _ in taken])

    def come_back(self) -> None:
        """Of codes whose orders came back, what their policy says and is not back yet."""
        for code in self.codes:
            if not code.order:
                continue
            share = self.orders[code.order].share_gone()
            if code.policy == "never" or (code.policy == "whole" and share < 1):
                continue
            self.give_back(code, max(0, int(code.cost * max(share, Fraction(0)))))

    def give_back(self, code: Code, wanted: int) -> None:
        points, skip = wanted - code.returned, code.returned
        if points <= 0:
            return
        code.returned = wanted
        parts = []
        for lot, taken in reversed(code.taken):
            here = max(0, taken - skip)
            skip = max(0, skip - taken)
            part = min(points, here)
            if part:
                parts.append((lot, part))
                points -= part
        person, count = code.person, sum(part for _, part in parts)
        person.move("spent", "available", count)
        for lot, part in parts:
            lot.remaining += part
        person.repay(count - self.take_unmet(person, parts), [lot for lot, _ in parts])

    def take_unmet(self, person: Person, returned: list[tuple[Lot, int]]) -> int:
        """What orders refunded meanwhile would have taken goes now, the oldest lot first."""
        in_all = 0
        for name, order in self.orders.items():
            for lot, part in sorted(returned, key=lambda one: person.lots.index(one[0])):
                if is_of(lot, f"order:{name}"):
                    now = min(part, order.unmet)
                    lot.remaining -= now
                    person.move("available", "reversed", now)
                    order.unmet -= now
                    order.forgiven -= now
                    in_all += now
        return in_all
