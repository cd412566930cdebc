"""Bonuses for a batch of orders: what they depend on, loaded in a handful of statements and only
where some campaign asks for it, and each order's decision.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from msgspec.structs import replace

from app.db import Connection
from app.points.earning import memberships
from app.points.earning.campaigns import collections, copies, judging, plans
from app.points.earning.campaigns.copies import Copies, Newest
from app.points.earning.campaigns.judging import Circumstances, Reason
from app.points.earning.campaigns.plans import Plan
from app.points.earning.campaigns.purse import Purse
from app.points.earning.grant import Grant
from app.points.earning.rules import Known
from app.points.ledger.accounts import Account
from app.points.tiers import standing
from app.points.tiers.counting import OfShop, Stood

NO_COPIES = Copies()  # of shops that have tiers, and never had a campaign
# how many orders earned for a member, or for whom was merged into them, before this one did, or
# until now
ORDINALS = """
WITH RECURSIVE wanted AS (
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[])
                  WITH ORDINALITY AS one (shop, member_id, source, number)
), theirs AS (
    SELECT DISTINCT member_id AS kept_id, member_id FROM wanted
    UNION
    SELECT theirs.kept_id, gone.id
      FROM theirs JOIN members AS gone ON gone.merged_into = theirs.member_id
)
SELECT wanted.number,
       (SELECT count(DISTINCT split_part(ledger.source, ':', 2))
          FROM theirs JOIN ledger ON ledger.member_id = theirs.member_id
         WHERE theirs.kept_id = wanted.member_id
           AND effect = 'earn' AND ledger.source LIKE 'order:%'
           AND split_part(ledger.source, ':', 2) <> split_part(wanted.source, ':', 2)
           AND ledger.id < COALESCE(own.id, 9223372036854775807)) AS before
  FROM wanted
  LEFT JOIN ledger AS own
    ON own.shop = wanted.shop AND own.source = wanted.source AND own.effect = 'earn'
"""


@dataclass(slots=True)
class Case:
    """An order whose bonuses are to be decided."""

    grant: Grant
    account: Account
    placed_at: datetime
    plan: Plan
    judged: frozenset[str] = frozenset()  # lines that were known when it was decided before
    found: Circumstances = field(default_factory=Circumstances)

    @property
    def known(self) -> Known:
        return self.grant.stages[-1].known


class Decisions:
    """What the campaigns of a batch's shops give to its orders."""

    def __init__(self) -> None:
        self.purse = Purse()
        self.stood: dict[int, Stood] = {}  # where members stand whose tier was asked for
        self._cases: dict[int, Case] = {}  # by id() of the grant
        self._earned: dict[int, int] = {}  # orders of this batch that gave first, by member

    async def load(
        self,
        conn: Connection,
        fresh: Sequence[tuple[Grant, Account]],
        moving: Sequence[tuple[Grant, int]],
        newest: Mapping[str, Newest],
        tiers: Mapping[str, OfShop],
    ) -> None:
        """For orders that earn for the first time, or for somebody else than before (`fresh`, with
        the member), and for those that have bonuses already, with whose they were.
        """
        asked = {one.shop: newest[one.shop] for one, _ in fresh if one.shop in newest}
        known = await copies.of_shops(conn, asked) if asked else {}
        for grant, account in fresh:
            if grant.frozen is None or grant.frozen.outside:
                continue
            of_shop = known.get(grant.shop, NO_COPIES)
            placed_at = judging.placed_at(grant.stages[-1].known)
            if grant.is_asked_again or grant.has_more_lines:
                plan = _of_earlier(grant, of_shop, placed_at.timestamp())
                judged = frozenset(line.line_id for line in grant.known.lines)
                if not plan.is_empty:
                    self._cases[id(grant)] = Case(grant, account, placed_at, plan, judged)
                continue
            plan = plans.at(of_shop, placed_at.timestamp())
            if grant.shop in tiers or not plan.is_empty:
                self._cases[id(grant)] = Case(grant, account, placed_at, plan)
        if self._cases:
            await self._load_tiers(conn, tiers)
            await self._load_circumstances(conn)
        await self._load_purse(conn, moving)

    async def _load_tiers(self, conn: Connection, tiers: Mapping[str, OfShop]) -> None:
        """An order keeps the tier its bonuses were decided with."""
        tiered = []
        for one in self._cases.values():
            is_earlier = one.grant.is_asked_again or one.grant.has_more_lines
            if is_earlier and one.grant.frozen is not None:
                one.found.tier = one.grant.frozen.tier
            elif one.grant.shop in tiers:
                tiered.append(one)
        if not tiered:
            return
        asked = [(one.grant.shop, one.account.id, one.placed_at) for one in tiered]
        made = {one.account.id for one in tiered if one.account.joined_at is not None}
        standings, self.stood = await standing.of_members(conn, asked, tiers, made)
        for one, tier in zip(tiered, standings, strict=True):
            one.found.tier = tier

    async def _load_circumstances(self, conn: Connection) -> None:
        cases = list(self._cases.values())
        if grouped := [one for one in cases if one.plan.groups]:
            wanted = [(*one.account.key, one.placed_at) for one in grouped]
            kinds = frozenset[str]().union(*{one.plan.groups for one in grouped})
            found = await memberships.at(conn, wanted, kinds)
            for one, names in zip(grouped, found, strict=True):
                one.found.names = names
        if counted := [one for one in cases if one.plan.asks_ordinal]:
            asked = [(one.grant.shop, one.account.id, one.grant.source) for one in counted]
            for one, before in zip(counted, await ordinals(conn, asked), strict=True):
                one.found.ordinal = before + 1
        if collected := [one for one in cases if one.plan.collections]:
            keys = [(one.grant.shop, name) for one in collected for name in one.plan.collections]
            products = [line.product_id for one in collected for line in one.known.lines]
            where = await collections.holding(conn, keys, products)
            for one in collected:
                one.found.where = collections.of_shop(where, one.grant.shop)

    async def _load_purse(self, conn: Connection, moving: Sequence[tuple[Grant, int]]) -> None:
        totals, uses = [], []
        for case in self._cases.values():
            for copy in case.plan.limited:
                key = (case.grant.shop, copy.campaign.campaign_id)
                if copy.campaign.budget is not None:
                    totals.append(key)
                uses.append((*key, case.account.id))
        for grant, member_id in moving:
            for one in grant.frozen.bonuses if grant.frozen else ():
                if one.budget is not None:
                    totals.append((grant.shop, one.campaign_id))
                if one.cap is not None:
                    uses.append((grant.shop, one.campaign_id, member_id))
        if totals or uses:
            await self.purse.load(conn, totals, uses)

    def decide(self, grant: Grant, known: Known) -> None:
        """Freeze the bonuses of an order as it is known, and note which campaigns do not count, and
        why.
        """
        assert grant.frozen is not None
        case = self._cases.get(id(grant))
        if grant.has_more_lines:
            self._extend(grant, known, case)
            return
        if not grant.is_asked_again and (grant.frozen.bonuses or grant.frozen.goals):
            # those of who had it before
            grant.frozen = replace(grant.frozen, bonuses=(), goals=(), goal_lines=(), tier=None)
        grant.reasons, grant.not_counted = [], None
        if case is None:
            return
        plan, others = case.plan, case.plan.others
        if not grant.points:
            case.found.ordinal += self._earned.get(case.account.id, 0)
        if grant.is_asked_again:
            already = {one.campaign_id for one in grant.frozen.bonuses}
            others = [
                one for one in (*plan.steady, *others) if one.campaign.campaign_id not in already
            ]
            frozen, text, reasons = replace(grant.frozen, until=plan.newest), "", list[Reason]()
        else:
            decided = plan.decide(grant.frozen, case.found)
            frozen, text, reasons = decided.after, decided.text, decided.reasons
            grant.not_counted = decided.why
        grant.text = (frozen, text)
        if others:
            left = self._left(case) if plan.limited else {}
            frozen, more = judging.added(frozen, known, others, case.found, left)
            reasons = [*reasons, *more]
            grant.not_counted = None
        grant.frozen, grant.reasons = frozen, reasons

    def note_earned(self, member_id: int) -> None:
        """An order gave its first points to a member."""
        self._earned[member_id] = self._earned.get(member_id, 0) + 1

    def _extend(self, grant: Grant, known: Known, case: Case | None) -> None:
        """Lines that came later count as if they had been there."""
        if case is not None and grant.frozen is not None:
            where = case.found.where or {}
            frozen, fresh = judging.extended(
                grant.frozen, known, case.judged, case.plan.others, where
            )
            if fresh:
                left = self._left(case) if case.plan.limited else {}
                frozen, _ = judging.added(frozen, known, fresh, case.found, left)
            grant.frozen = frozen

    def _left(self, case: Case) -> dict[int, int | None]:
        shop, member_id, purse = case.grant.shop, case.account.id, self.purse
        limited = [(one.id, one.campaign) for one in case.plan.limited]
        case.found.spent = {
            one.campaign_id: purse.spent(shop, one.campaign_id, member_id) for _, one in limited
        }
        case.found.reached = {
            one.campaign_id
            for _, one in limited
            if one.trigger == "goal_total" and purse.got(shop, one.campaign_id, member_id) > 0
        }
        return {
            copy: purse.left(shop, one.campaign_id, member_id, one.cap, one.budget)
            for copy, one in limited
        }


def _of_earlier(grant: Grant, copies_: Copies, placed: float) -> Plan:
    """What is still to be decided of an order whose bonuses were: by lines that came later, or by
    campaigns that did.
    """
    if grant.has_more_lines or grant.frozen is None:
        return plans.scoped(copies_, placed)
    return plans.made(copies_, placed, grant.frozen.until)


async def ordinals(conn: Connection, wanted: Sequence[tuple[str, int, str]]) -> list[int]:
    """How many orders earned for a member before one (shop, member, its source), or until now;
    those of whom was merged into them are theirs.
    """
    found = [0] * len(wanted)
    if wanted:
        for row in await conn.fetch(ORDINALS, *map(list, zip(*wanted, strict=True))):
            found[row["number"] - 1] = row["before"]
    return found
