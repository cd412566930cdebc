"""What other services and Shopify tell of a shop besides orders, for the service and the model."""

from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

import msgspec

from app.flow.event import Event
from app.own_facts import (
    Audience,
    Campaign,
    CampaignUpdated,
    CustomerTagged,
    SegmentUpdated,
    Stacking,
)
from tests.points import world
from tests.points.histories.clock import Clock
from tests.points.histories.making import COUNTING, SEGMENTS
from tests.points.histories.model import Referral
from tests.points.histories.model.campaigns import Version

Told = tuple[Event, list[tuple[str, Any]]]


class Facts:
    """Each is kept; some are told at once, others later, and any of them again."""

    shop: str
    clock: Clock
    reward_ids: list[int]

    def __init__(self) -> None:
        self.known: list[Told] = []
        self.untold: list[int] = []
        self.versions: dict[int, int] = {}
        self.stackings = 0
        self.segments: dict[str, str] = {}

    def _told(
        self,
        topic: str,
        data: Any,
        heard: tuple[str, Any],
        *,
        is_told: bool,
        at: datetime | None = None,
    ) -> list[Told]:
        fact = world.fact(topic, msgspec.to_builtins(data), self.shop, at or self.clock.at)
        self.known.append((fact, [heard]))
        if is_told:
            return [self.known[-1]]
        self.untold.append(len(self.known) - 1)
        return []

    async def campaign(
        self,
        number: int,
        state: str,
        days: tuple[int, int | None],
        trigger: str,
        effect: str,
        value: Fraction,
        product: str,
        cap: int | None,
        budget: int | None,
        audience: tuple[str, str],
        counts: tuple[int, int],
        is_told: bool,
    ) -> list[Told]:
        number += 0 if trigger == "order" else 20 if trigger in COUNTING else 10
        at, version = self.clock.at, self.versions.get(number, 0) + 1
        self.versions[number] = version
        starts = at + timedelta(days=days[0])
        ends = None if days[1] is None else max(starts, at) + timedelta(days=days[1])
        cap, budget = (cap, None) if number % 3 == 0 else (None, budget)
        cap, budget = (None, None) if number % 3 == 1 else (cap or 9, budget or 40)
        name, (kind, group), (nth, goal) = f"c{number}", audience, counts
        made = Campaign(
            name,
            version,
            name,
            state,  # type: ignore[arg-type]
            starts,
            ends,
            trigger,  # type: ignore[arg-type]
            effect,  # type: ignore[arg-type]
            f"{float(value):g}",
            "products" if product else "all",
            [product] if product else [],
            nth=nth if trigger == "nth_order" else 0,
            goal=f"{goal / 100:.2f}" if trigger.startswith("goal") else "0",
            audience=Audience(kind, [group] if group else []),  # type: ignore[arg-type]
            cap=cap,
            budget=budget,
        )
        window, limits = (starts, ends), (cap, budget)
        kept = Version(
            version,
            at,
            state,
            *window,
            trigger,
            effect,
            value,
            product,
            *limits,
            audience,
            *counts,
        )
        told = CampaignUpdated(made, at=at)
        return self._told("campaign.updated", told, ("campaign", (name, kept)), is_told=is_told)

    async def stack(self, policy: str, most: Fraction | None, is_told: bool) -> list[Told]:
        self.stackings += 1
        cap = "" if most is None else f"{float(most):g}"
        stacking = Stacking(self.stackings, policy, cap)  # type: ignore[arg-type]
        told = CampaignUpdated(None, stacking, self.clock.at)
        heard = ("stack", (self.stackings, self.clock.at, policy, most))
        return self._told("campaign.updated", told, heard, is_told=is_told)

    async def tag(self, customer: str, name: str, is_in: bool, is_told: bool) -> list[Told]:
        names = [name]
        told = CustomerTagged(
            customer, names if is_in else [], [] if is_in else names, self.clock.at
        )
        heard = ("tag", (customer, f"tags:{name}", self.clock.at, is_in))
        return self._told("customer.tagged", told, heard, is_told=is_told)

    async def segment(self, customer: str, after: str, is_told: bool) -> list[Told]:
        before = self.segments.get(customer, SEGMENTS[0])
        if after == before:
            return []
        self.segments[customer] = after
        told = SegmentUpdated(customer, before, after, self.clock.at)
        heard = ("segment", (customer, before, after, self.clock.at))
        return self._told("rfm.segment.updated", told, heard, is_told=is_told)

    async def wish(self, kind: str, customer: str, days: int, is_told: bool) -> list[Told]:
        at = self.clock.at - timedelta(days=days)
        if kind == "created":
            data = {"customer_id": customer, "updated_at": at.isoformat()}
            heard = ("created", (customer, at))
            return self._told("customer.created", data, heard, is_told=is_told)
        is_in = kind == "consented"
        data = {"customer_id": customer, "is_subscribed": is_in, "at": at.isoformat()}
        heard = (kind, (customer, at))
        return self._told("customer.consented", data, heard, is_told=is_told)

    async def refer(
        self, number: int, is_done: bool, promise: tuple[int, int | None], is_told: bool
    ) -> list[Told]:
        at, name, advocate = self.clock.at, f"r{number}", f"700{number + 1}"
        data: dict[str, Any] = {"referral_id": name, "advocate_id": advocate, "at": at.isoformat()}
        told = Referral("", advocate=advocate)
        if is_done:
            told.completed_at, (told.points, told.place) = at, promise
            reward_id = "" if told.place is None else str(self.reward_ids[told.place])
            data |= {"friend_id": "8000", "order_id": "1", "points": told.points}
            data["reward_id"] = reward_id
        else:
            told.reversed_at = at
            data["reason"] = "Its order came back."
        topic = "referral.completed" if is_done else "referral.reversed"
        return self._told(topic, data, ("referral", (name, told)), is_told=is_told)

    async def merge(self, gone: str, kept: str, is_told: bool) -> list[Told]:
        data = {"customer_id": gone, "kept_id": kept}
        return self._told("customer.merged", data, ("merged", (gone, kept)), is_told=is_told)

    async def delete(self, customer: str, is_told: bool) -> list[Told]:
        data = {"customer_id": customer}
        return self._told("customer.deleted", data, ("deleted", customer), is_told=is_told)
