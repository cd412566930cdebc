"""A shop the slow and obvious way: the truth the service is held to, which knows facts, settings
and time, and nothing of how the service goes about them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tests.points.histories.model.campaigns import Campaigns
from tests.points.histories.model.orders import Order
from tests.points.histories.model.people import Person
from tests.points.histories.model.rewards import Redemption
from tests.points.histories.model.ways import Referral, Ways

__all__ = ["Model", "Referral"]
Told = tuple[str, Any]
WISHES = {"created": "account", "consented": "newsletter"}


class Model(Ways):
    def __init__(self, zone: str, now: datetime) -> None:
        super().__init__(zone, now)
        self.shop = Campaigns()
        self.orders: dict[str, Order] = {}
        self.gave = []
        self.groups = {}
        self.schemes = []
        self.standings = {}
        self.causes = {}
        self.cached = {}
        self.rewards = []
        self.redemptions = []
        self.ways = {}
        self.had = {}
        self.birthdays = {}
        self.walked_on = None
        self.referrals = {}
        self.gifts = {}

    def tell(self, batch: Sequence[Told]) -> None:
        """Facts that come together: each kind after the other."""

        def of(kind: str) -> list[Any]:
            return [told for name, told in batch if name == kind]

        for name, version in of("campaign"):
            self.shop.learn(name, version)
        for stacking in of("stack"):
            self.shop.stack(*stacking)
        for tag in of("tag"):
            self._group(*tag)
        for customer, before, after, at in of("segment"):
            self._group(customer, f"segments:{before}", at, is_in=False)
            self._group(customer, f"segments:{after}", at, is_in=True)
        for customer, _ in of("created"):
            self.people.setdefault(customer, Person(customer))
        self.follow(of("order"))
        wishes = [(WISHES[name], *told) for name, told in batch if name in WISHES]
        self._follow_wishes(wishes, set(of("deleted")))
        self._follow_referrals(of("referral"))
        for customer in of("deleted"):
            self._forget(customer)
        for gone, kept in of("merged"):
            self._merge(gone, kept)
        for used in of("used"):
            self._use_code(*used)
        self.come_back()

    def _group(self, customer: str, name: str, at: datetime, is_in: bool) -> None:
        words = self.groups.setdefault((customer, name), {})
        words[at] = words.get(at, False) or is_in

    def _use_code(self, redemption: Redemption, order: str, customer: str) -> None:
        """Only its own customer can."""
        person = self.people.get(customer)
        if person is not None and person.root is redemption.person.root:
            self.use(redemption, order)

    def _follow_wishes(self, told: list[tuple[str, str, datetime]], deleted: set[str]) -> None:
        """Of two words that mean the same the earlier one."""
        wishes: dict[tuple[str, str], datetime] = {}
        for kind, customer, at in told:
            if customer not in deleted:
                wishes[customer, kind] = min(at, wishes.get((customer, kind), at))
        for (customer, kind), at in wishes.items():
            self.wish(customer, kind, at)

    def _follow_referrals(self, told: list[tuple[str, Referral]]) -> None:
        for name, one in told:
            self.refer(name, one)
        for name in dict.fromkeys(name for name, _ in told):
            self.bring(name)

    def _forget(self, customer: str) -> None:
        """Who never had points leaves nothing behind."""
        self.birthdays.pop(customer, None)
        for key in [key for key in self.groups if key[0] == customer]:
            del self.groups[key]
        person = self.people.get(customer)
        if person is None or person.has_ledger or person.kept is not None:
            return
        is_named = any(one.kept is person for one in self.people.values())
        if not is_named and all(one.person.root is not person for one in self.redemptions):
            del self.people[customer]
            self.standings.pop(person, None)

    def _merge(self, gone_id: str, kept_id: str) -> None:
        gone = self.people.setdefault(gone_id, Person(gone_id))
        kept = self.person(kept_id)
        if gone.kept is not None or kept is gone:
            return
        for (customer, name), words in list(self.groups.items()):
            if customer == gone.customer:
                ours = self.groups.setdefault((kept.customer, name), {})
                for at, is_in in words.items():
                    ours[at] = ours.get(at, False) or is_in
                del self.groups[customer, name]
        self.shop.merge(gone, kept)
        self.merge_points(gone, kept)
        self.merge_tiers(gone, kept)
        self.merge_ways(gone, kept)

    def pass_time(self) -> None:
        """What is due by now."""
        self.pass_points()
        self.pass_birthdays()
        self.pass_tiers()
        self.decide_again()
