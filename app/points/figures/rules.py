"""What orders say of a programme: who came back, and what orders with a reward brought."""

from dataclasses import dataclass, field
from datetime import datetime

import msgspec

MICROS = 1_000_000


class Figures(msgspec.Struct, frozen=True):
    """A range of days; money is in millionths of shop currency. Counts of orders are None where
    there are more of them than are added up.
    """

    joined: int = 0
    earned: int = 0
    spent: int = 0
    expired: int = 0
    outstanding: int = 0  # at its end
    reward_orders: int | None = None
    reward_revenue: int | None = None
    member_buyers: int | None = None  # who ordered in it
    member_repeats: int | None = None  # and had ordered before
    other_buyers: int | None = None
    other_repeats: int | None = None
    referrals: int = 0

    @property
    def redemption_rate(self) -> float | None:
        return self.spent / self.earned if self.earned else None

    @property
    def member_rate(self) -> float | None:
        return _rate(self.member_repeats, self.member_buyers)

    @property
    def other_rate(self) -> float | None:
        return _rate(self.other_repeats, self.other_buyers)


class Compared(msgspec.Struct, frozen=True):
    """A range and the one of the same length before it."""

    now: Figures
    before: Figures


@dataclass(slots=True)
class Buyer:
    """How often a customer ordered: before both ranges, in the first, in the second."""

    orders: list[int] = field(default_factory=lambda: [0, 0, 0])
    is_member: bool = False


@dataclass(slots=True)
class Orders:
    """What is added up of a shop's orders, over the range from `middle` on and the one before."""

    start: datetime
    middle: datetime
    end: datetime
    buyers: dict[str, Buyer] = field(default_factory=dict)
    rewarded: list[int] = field(default_factory=lambda: [0, 0])
    revenue: list[int] = field(default_factory=lambda: [0, 0])

    def add(
        self, customer_id: str | None, placed_at: datetime, *, is_member: bool, rewarded: int | None
    ) -> None:
        """An order that is paid and stands; `rewarded` is what it brought when a reward was used in
        it, None when none was.
        """
        if placed_at >= self.end:
            return
        place = 2 if placed_at >= self.middle else 1 if placed_at >= self.start else 0
        if place and rewarded is not None:
            self.rewarded[place - 1] += 1
            self.revenue[place - 1] += rewarded
        if customer_id is None:
            return  # nobody knows whether a guest came back
        buyer = self.buyers.setdefault(customer_id, Buyer())
        buyer.orders[place] += 1
        buyer.is_member = buyer.is_member or is_member

    def figures(self, place: int) -> dict[str, int]:
        """Those of the range before (0) or of the newest one (1), by the names Figures has."""
        counts = {"member": [0, 0], "other": [0, 0]}
        for buyer in self.buyers.values():
            if buyer.orders[place + 1]:
                count = counts["member" if buyer.is_member else "other"]
                count[0] += 1
                count[1] += sum(buyer.orders[: place + 2]) > 1
        return {
            "reward_orders": self.rewarded[place],
            "reward_revenue": self.revenue[place],
            "member_buyers": counts["member"][0],
            "member_repeats": counts["member"][1],
            "other_buyers": counts["other"][0],
            "other_repeats": counts["other"][1],
        }


def _rate(part: int | None, whole: int | None) -> float | None:
    return part / whole if whole and part is not None else None
