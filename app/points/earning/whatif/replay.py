"""Orders of the past under a campaign they were not placed under: what it would have added."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from heapq import nsmallest

import msgspec
from msgspec.structs import replace

from app import calendar
from app.db import Connection
from app.own_facts import Campaign, Stacking
from app.points.earning import memberships, worth
from app.points.earning.campaigns import collections, copies, deciding, judging
from app.points.earning.campaigns.copies import Copy
from app.points.earning.campaigns.judging import Circumstances, Reason
from app.points.earning.campaigns.purse import Purse
from app.points.earning.grant import Grant
from app.points.earning.rules import Frozen

DAYS = 30
TOP = 10
RULES_MAX = 1_000  # remembered of those that orders froze
SIZES = (10, 25, 50, 100, 250, 500, 1_000)  # where a bonus is counted among the next larger ones


class Asked(msgspec.Struct, frozen=True):
    campaign: Campaign
    stacking: Stacking


class Shown(msgspec.Struct):
    """What pages show of it: of a size that does not grow with the shop."""

    orders: int = 0
    hits: int = 0
    points: int = 0
    days: dict[str, int] = {}
    sizes: list[int] = msgspec.field(default_factory=lambda: [0] * (len(SIZES) + 1))
    # how many; rows of earlier releases have the points of each
    customers: int | dict[str, int] = 0
    top: list[tuple[str, int]] = []  # customers who would have gained the most


class Found(msgspec.Struct):
    """What was found so far, and what the rest depends on: kept only until that is done."""

    orders: int = 0
    hits: int = 0  # of them, those that get a bonus
    points: int = 0
    days: dict[str, int] = {}  # points by the day of the order, in the shop's zone
    sizes: list[int] = msgspec.field(default_factory=lambda: [0] * (len(SIZES) + 1))  # of bonuses
    customers: dict[str, int] = {}  # points by customer
    ordinals: dict[int, int] = {}  # orders that earned, by member, where a campaign counts them
    spent: dict[int, int] = {}  # for a goal
    got: dict[int, int] = {}  # by member, where there is a cap

    def shown(self) -> Shown:
        return Shown(
            self.orders,
            self.hits,
            self.points,
            self.days,
            self.sizes,
            len(self.customers),
            top(self.customers),
        )


def top(customers: Mapping[str, int]) -> list[tuple[str, int]]:
    """Those with the most points."""
    return nsmallest(TOP, customers.items(), key=lambda one: (-one[1], one[0]))


def found_of(told: str) -> Found:
    """From the column of a question."""
    return msgspec.json.decode(told, type=Found) if told else Found()


class Replay:
    """Orders under a campaign that runs all the time, beside what they have already."""

    def __init__(self, shop: str, asked: Asked, since: datetime, zone: str, found: Found) -> None:
        campaign = replace(asked.campaign, starts_at=since, ends_at=None, state="live")
        self.shop, self.asked, self.found = shop, asked, found
        self.copy: Copy = copies.of(1 << 62, campaign, since)
        self.zone = calendar.zone(zone)
        self.purse = Purse()
        self._befores: dict[int, tuple[Frozen, Frozen]] = {}
        self._afters: dict[int, tuple[Frozen, Frozen]] = {}
        key = (shop, campaign.campaign_id)
        self.purse.totals[key] = found.points
        for member_id in {*found.got, *found.spent}:
            got, spent = found.got.get(member_id, 0), found.spent.get(member_id, 0)
            self.purse.uses[(*key, member_id)] = (got, spent)

    async def page(self, conn: Connection, grants: Sequence[Grant]) -> None:
        """The next orders, the earliest first."""
        counting = [one for one in grants if one.frozen is not None and one.member_id is not None]
        around = await self._circumstances(conn, counting)
        self.found.orders += len(grants)
        for grant, one in zip(counting, around, strict=True):
            self._order(grant, one)

    async def _circumstances(
        self, conn: Connection, grants: Sequence[Grant]
    ) -> list[Circumstances]:
        campaign = self.copy.campaign
        found = [Circumstances(tier=one.frozen.tier if one.frozen else None) for one in grants]
        if campaign.audience.kind in {"segments", "tags"}:
            wanted = [
                (self.shop, one.known.customer_id or "", judging.placed_at(one.known))
                for one in grants
            ]
            for one, names in zip(found, await memberships.at(conn, wanted), strict=True):
                one.names = names
        if campaign.scope == "collections":
            products = [line.product_id for one in grants for line in one.known.lines]
            keys = [(self.shop, name) for name in campaign.ids]
            where = collections.of_shop(await collections.holding(conn, keys, products), self.shop)
            for one in found:
                one.where = where
        if campaign.trigger in {"first_order", "nth_order"}:
            await self._count(conn, grants, found)
        return found

    async def _count(
        self, conn: Connection, grants: Sequence[Grant], found: Sequence[Circumstances]
    ) -> None:
        """Which order of its customer each is: asked at a member's first one, then counted."""
        ordinals = self.found.ordinals
        fresh = {one.member_id or 0: one for one in reversed(grants)}
        fresh = {member: one for member, one in fresh.items() if member not in ordinals}
        before = await deciding.ordinals(
            conn, [(self.shop, member, one.source) for member, one in fresh.items()]
        )
        ordinals.update(zip(fresh, before, strict=True))
        for grant, one in zip(grants, found, strict=True):
            ordinals[grant.member_id or 0] += 1
            one.ordinal = ordinals[grant.member_id or 0]

    def _before(self, frozen: Frozen) -> Frozen:
        """What an order froze, with how campaigns are to stack."""
        known = self._befores.get(id(frozen))
        if known is None or known[0] is not frozen:
            stacking = self.asked.stacking
            most = copies.most_units(stacking)
            known = (frozen, replace(frozen, policy=stacking.policy, most_units=most))
            if len(self._befores) >= RULES_MAX:
                self._befores.clear()
            self._befores[id(frozen)] = known
        return known[1]

    def _after(
        self, before: Frozen, grant: Grant, around: Circumstances
    ) -> tuple[Frozen, list[Reason]]:
        """What the campaign makes of a rule: for who is in its audience mostly the same."""
        if not judging.is_steady(self.copy) or not judging.is_for(self.copy, around):
            return judging.added(before, grant.known, [self.copy], around, {})
        known = self._afters.get(id(before))
        if known is None or known[0] is not before:
            after, reasons = judging.added(before, grant.known, [self.copy], around, {})
            if reasons:
                return after, reasons
            if len(self._afters) >= RULES_MAX:
                self._afters.clear()
            known = self._afters[id(before)] = (before, after)
        return known[1], []

    def _order(self, grant: Grant, around: Circumstances) -> None:
        frozen, member_id = grant.frozen, grant.member_id or 0
        campaign, found = self.copy.campaign, self.found
        if frozen is None or frozen.outside or not grant.known.counts or grant.known.ended:
            return
        key = (self.shop, campaign.campaign_id, member_id)
        around.spent = {campaign.campaign_id: self.purse.spent(*key)}
        before = self._before(frozen)
        after, reasons = self._after(before, grant, around)
        counts = not reasons or [why for _, why in reasons] == ["goal"]
        if campaign.trigger == "goal_total" and counts:
            lines = judging.scope(self.copy, grant.known.lines, around.where or {}, frozen)
            spends = judging.spending(grant.known, frozen, lines)
            self.purse.note_spent(*key, spends)
            found.spent[member_id] = self.purse.spent(*key)
        if reasons:
            return
        more = worth.of(grant.known, after, grant.rate_units).points - grant.net
        bonus = after.bonuses[-1]
        left = self.purse.left(*key, bonus.cap, bonus.budget)
        more = more if left is None else min(more, left)
        if more <= 0:
            return
        self.purse.note(self.shop, bonus, member_id, more)
        if bonus.cap is not None:
            found.got[member_id] = self.purse.got(*key)
        placed = judging.placed_at(grant.known).astimezone(self.zone)
        day = str(placed.date())
        found.hits += 1
        found.points += more
        found.days[day] = found.days.get(day, 0) + more
        found.sizes[sum(more >= size for size in SIZES)] += 1
        customer_id = grant.known.customer_id or ""
        found.customers[customer_id] = found.customers.get(customer_id, 0) + more
