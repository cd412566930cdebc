"""Bonuses for a batch of orders: what they depend on, loaded in a handful of statements and only
where some campaign asks for it, and each order's decision.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from msgspec.structs import replace

from app.db import Connection
from app.points.earning import memberships
from app.points.earning.campaigns import collections, copies, judging
from app.points.earning.campaigns.copies import Copies, Copy, Newest
from app.points.earning.campaigns.judging import Circumstances, Reason
from app.points.earning.campaigns.purse import Purse
from app.points.earning.grant import Grant
from app.points.earning.rules import Bonus, Known

# how many orders of a member earned before this one did, or until now
ORDINALS = """
SELECT wanted.number,
       (SELECT count(*) FROM ledger
         WHERE ledger.member_id = wanted.member_id AND effect = 'earn'
           AND source LIKE 'order:%' AND source NOT LIKE 'order:%:%'
           AND source <> wanted.source
           AND sequence < COALESCE(own.sequence, 9223372036854775807)) AS before
  FROM unnest($1::text[], $2::bigint[], $3::text[])
       WITH ORDINALITY AS wanted (shop, member_id, source, number)
  LEFT JOIN ledger AS own
    ON own.shop = wanted.shop AND own.source = wanted.source AND own.effect = 'earn'
"""


@dataclass(slots=True)
class Case:
    """An order whose bonuses are to be decided."""

    grant: Grant
    member_id: int
    customer_id: str
    copies: Copies
    candidates: list[Copy]
    placed: float
    found: Circumstances = field(default_factory=Circumstances)

    @property
    def at(self) -> datetime:
        return datetime.fromtimestamp(self.placed, UTC)


class Decisions:
    """What the campaigns of a batch's shops give to its orders."""

    def __init__(self) -> None:
        self.purse = Purse()
        self._cases: dict[int, Case] = {}  # by id() of the grant
        self._earned: dict[int, int] = {}  # orders decided in this batch, by member

    async def load(
        self,
        conn: Connection,
        fresh: Sequence[tuple[Grant, int, str]],
        moving: Sequence[tuple[Grant, int]],
        newest: Mapping[str, Newest],
    ) -> None:
        """For orders that earn for the first time, or for somebody else than before (`fresh`, with
        member and customer), and for those that have bonuses already, with whose they were.
        """
        known = await copies.of_shops(conn, {one.shop: newest[one.shop] for one, _, _ in fresh})
        for grant, member_id, customer_id in fresh:
            of_shop = known.get(grant.shop)
            if of_shop is None or grant.frozen is None or grant.frozen.outside:
                continue
            placed = judging.moment(grant.stages[-1].known)
            already = (
                {one.campaign_id for one in grant.frozen.bonuses} if grant.is_asked_again else {}
            )
            candidates = [
                one
                for one in judging.in_force(of_shop, placed)
                if one.campaign.campaign_id not in already
                and (not grant.is_asked_again or one.id > grant.frozen.until)
            ]
            if candidates:
                case = Case(grant, member_id, customer_id, of_shop, candidates, placed)
                self._cases[id(grant)] = case
        if self._cases:
            await self._load_circumstances(conn)
        await self._load_purse(conn, moving)

    async def _load_circumstances(self, conn: Connection) -> None:
        cases = list(self._cases.values())
        grouped = [
            one for one in cases if _asks(one, lambda copy: _kind(copy) in {"segments", "tags"})
        ]
        wanted = [(one.grant.shop, one.customer_id, one.at) for one in grouped]
        for one, names in zip(grouped, await memberships.at(conn, wanted), strict=True):
            one.found.names = names
        counted = [one for one in cases if _asks(one, _counts_orders)]
        if counted:
            asked = [(one.grant.shop, one.member_id, one.grant.source) for one in counted]
            for one, before in zip(counted, await ordinals(conn, asked), strict=True):
                one.found.ordinal = before + 1
        keys = [
            (one.grant.shop, name)
            for one in cases
            for copy in one.candidates
            if copy.campaign.scope == "collections"
            for name in copy.ids
        ]
        products = [line.product_id for one in cases for line in one.grant.stages[-1].known.lines]
        where = await collections.holding(conn, keys, products)
        if where:
            for one in cases:
                one.found.where = {
                    product: names
                    for (shop, product), names in where.items()
                    if shop == one.grant.shop
                }

    async def _load_purse(self, conn: Connection, moving: Sequence[tuple[Grant, int]]) -> None:
        totals, uses = [], []
        for case in self._cases.values():
            shop = case.grant.shop
            for copy in case.candidates:
                campaign = copy.campaign
                if campaign.budget is not None:
                    totals.append((shop, campaign.campaign_id))
                if campaign.cap is not None or campaign.trigger == "goal_total":
                    uses.append((shop, campaign.campaign_id, case.member_id))
        for grant, member_id in moving:
            for one in grant.frozen.bonuses if grant.frozen else ():
                if one.budget is not None:
                    totals.append((grant.shop, one.campaign_id))
                if one.cap is not None:
                    uses.append((grant.shop, one.campaign_id, member_id))
        if totals or uses:
            await self.purse.load(conn, totals, uses)

    def decide(self, grant: Grant, known: Known) -> list[Reason]:
        """Freeze the bonuses of an order as it is known; which campaigns do not count, and why."""
        assert grant.frozen is not None
        case = self._cases.get(id(grant))
        if not grant.is_asked_again and grant.frozen.bonuses:  # those of who had it before
            grant.frozen = replace(grant.frozen, bonuses=(), goals=(), tier=None)
        if case is None:
            return []
        shop, found = grant.shop, case.found
        found.ordinal += self._earned.get(case.member_id, 0)
        found.spent = {
            one.campaign.campaign_id: self.purse.spent(
                shop, one.campaign.campaign_id, case.member_id
            )
            for one in case.candidates
            if one.campaign.trigger == "goal_total"
        }
        left = {
            one.id: self._left(shop, one, case.member_id)
            for one in case.candidates
            if one.campaign.cap is not None or one.campaign.budget is not None
        }
        stacking = case.copies.stacking(case.placed)
        frozen, reasons = judging.decided(
            grant.frozen, known, case.candidates, stacking, found, left
        )
        grant.frozen = replace(frozen, until=case.copies.newest)
        if not grant.is_asked_again:
            self._earned[case.member_id] = self._earned.get(case.member_id, 0) + 1
        return reasons

    def _left(self, shop: str, one: Copy, member_id: int) -> int | None:
        campaign = one.campaign
        bonus = Bonus(one.id, campaign.campaign_id, campaign.version, "", "", 0)
        return self.purse.left(
            shop, replace(bonus, cap=campaign.cap, budget=campaign.budget), member_id
        )


async def ordinals(conn: Connection, wanted: Sequence[tuple[str, int, str]]) -> list[int]:
    """How many orders of a member earned before one (shop, member, its source), or until now."""
    found = [0] * len(wanted)
    if wanted:
        for row in await conn.fetch(ORDINALS, *map(list, zip(*wanted, strict=True))):
            found[row["number"] - 1] = row["before"]
    return found


def _kind(copy: Copy) -> str:
    return copy.campaign.audience.kind


def _counts_orders(copy: Copy) -> bool:
    return copy.campaign.trigger in {"first_order", "nth_order"}


def _asks(case: Case, question: Callable[[Copy], bool]) -> bool:
    return any(question(copy) for copy in case.candidates)
