"""Orders in batches: a handful of statements around the decisions of `grants`, however many
orders there are.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from app import text
from app.db import Connection
from app.points.earning import grants, order_terms, stored, terms
from app.points.earning.campaigns import collections, hearing
from app.points.earning.campaigns.copies import Newest
from app.points.earning.campaigns.deciding import Decisions
from app.points.earning.grant import Grant
from app.points.earning.known import stages
from app.points.earning.order_terms import OrderTerms
from app.points.earning.rules import Line
from app.points.facts import ORDER_NAME_LENGTH, Incoming
from app.points.ledger.accounts import Account, Key
from app.points.ledger.posting import Batch
from app.points.members import profiles
from app.points.tiers import counting, following
from app.points.tiers.counting import OfShop
from app.points.tiers.following import Owners
from app.writes import Writes

# An order and its refund may be in the hands of two workers at once: whoever comes second must see
# what the first did. One lock an order, taken in one order by all; they end with the transaction.
LOCK_ORDERS = """
SELECT pg_advisory_xact_lock(key)
  FROM (SELECT DISTINCT hashtextextended(name, 0) AS key
          FROM unnest($1::text[]) AS name ORDER BY key) AS keys
"""


class Corrected(NamedTuple):
    """An order whose points a fact that was told again has changed, as the merchant is told."""

    shop: str
    order_id: str
    order_name: str
    customer_id: str
    before: int
    after: int
    reason: str


class OrderBatch(Batch):
    """A batch that follows what Shopify told of orders: load, decide, write, once each."""

    def __init__(self, incoming: Incoming, now: datetime) -> None:
        super().__init__(now)
        self.incoming = incoming
        self.policies: dict[str, str] = {}  # by shop
        self.newest: dict[str, Newest] = {}  # by shop, the newest copy of its campaigns
        self.tiers: dict[str, OfShop] = {}  # by shop, of those that have or had some
        self.decisions: Decisions | None = None  # where bonuses may count
        self.grants: dict[Key, Grant] = {}  # those that news changes, by shop and order id
        self.former: Owners = {}  # whose orders these were before
        self.corrected: list[Corrected] = []  # what facts that were told again have changed

    async def load(self, conn: Connection) -> None:
        """Lock the orders, find what is new about them, and lock their members and lots; members
        who are missing are made.
        """
        await self._load_grants(conn)
        moving = [grant for grant in self.grants.values() if grant.stages]
        earning = [(grant.shop, _customer(grant)) for grant in moving if grant.is_counting()]
        late = [grant for grant in moving if grant.member_id is not None]
        ids = [grant.member_id for grant in late if grant.member_id is not None]
        wanted = profiles.wanted(self.incoming, earning)
        customers = dict.fromkeys([*wanted, *profiles.leaving(self.incoming)])
        if customers or ids:
            await self.lock(conn, customers, ids)
        await self.number(conn, wanted)
        await self.follow_merged(conn)
        if late:
            await self._load_left(conn, late)
            members = (self.account(one) for one in ids)
            await self.load_lots(conn, {one.id for one in members if one is not None})
        await self._load_bonuses(conn, moving)

    async def _load_bonuses(self, conn: Connection, moving: Sequence[Grant]) -> None:
        """Where no campaign of their shops can count, and no tier, little is asked."""
        if moving:
            shops = {grant.shop for grant in moving}
            self.tiers = await counting.of_shops(conn, shops, self.now)
        if hearing.is_away():
            for grant in moving:
                grant.heard_at = self.newest.get(grant.shop, (0, None))[1]
        fresh, given = [], []
        for grant in moving:
            former = None if grant.member_id is None else self.account(grant.member_id)
            frozen = grant.frozen
            if former is not None and frozen and (frozen.bonuses or frozen.goals):
                given.append((grant, former.id))
            account = self._with_bonuses(grant)
            if account is None:
                continue
            is_same = former is not None and former.id == account.id
            grant.has_more_lines = is_same and not grant.is_asked_again and bool(_lines(grant))
            if not is_same or grant.is_asked_again or grant.has_more_lines:
                fresh.append((grant, account))
        if fresh or given:
            self.decisions = Decisions()
            await self.decisions.load(conn, fresh, given, self.newest, self.tiers)
            for grant in moving:
                grant.decisions = self.decisions

    def _with_bonuses(self, grant: Grant) -> Account | None:
        """Whose an order is that may have bonuses."""
        is_live = grant.terms is not None and grant.terms.state == "live"
        has_any = grant.shop in self.newest or grant.shop in self.tiers
        if not (has_any and is_live and grant.is_counting()):
            return None
        return self.account(self.by_customer[grant.shop, _customer(grant)].id)

    def decide(self) -> None:
        """Give first, then take back, so that a batch never makes a debt it also repays."""
        self.former = following.owners(self.grants.values())
        for grant in sorted(self.grants.values(), key=_is_late):
            if not grant.stages:
                continue
            account = former = None
            if grant.is_counting():
                account = self.account(self.by_customer[grant.shop, _customer(grant)].id)
            if grant.member_id is not None:
                former = self.account(grant.member_id)
            before = grant.net
            grants.follow(self, grant, account, former, self.policies.get(grant.shop, ""))
            grant.decisions = None  # who know their grants: nobody else would end that
            if any(stage.cause.corrected for stage in grant.stages):
                self._note_corrected(grant, account, former, before)

    def _note_corrected(
        self, grant: Grant, account: Account | None, former: Account | None, before: int
    ) -> None:
        """An order that went to another customer is noted for both."""
        changes = [(account or former, before, grant.net)]
        if account is not None and former is not None and account.id != former.id:
            changes = [(former, before, 0), (account, 0, grant.net)]
        why = next(one.cause.corrected for one in grant.stages if one.cause.corrected)
        self.corrected += [
            Corrected(grant.shop, grant.order_id, grant.name, one.customer_id, then, now, why)
            for one, then, now in changes
            if one is not None and then != now
        ]

    async def write(self, conn: Connection) -> None:
        """The same as of any batch, with whom it brings into another tier."""
        if self.tiers:
            stood = self.decisions.stood if self.decisions else {}
            await following.orders(conn, self, self.grants.values(), self.former, self.tiers, stood)
        await super().write(conn)

    def gather(self, writes: Writes) -> None:
        fresh = [stored.record(grant, self.now) for grant in self.grants.values() if grant.is_new]
        writes.insert("grants", stored.GRANT, fresh)
        changed = [stored.changed(grant) for grant in self.grants.values() if not grant.is_new]
        if changed:
            writes.add(
                stored.UPDATE_GRANTS.format(changed=writes.rows("changed", stored.CHANGED, changed))
            )
        if self.decisions is not None:
            self.decisions.purse.gather(writes)
        super().gather(writes)

    async def _load_grants(self, conn: Connection) -> None:
        news = self.incoming.orders
        if not news:
            return
        await conn.fetch(LOCK_ORDERS, [f"{shop}/{order_id}" for shop, order_id in news])
        shops = [shop for shop, _ in news]
        sources = [f"order:{order_id}" for _, order_id in news]
        rows = await conn.fetch(stored.SELECT_GRANTS, shops, sources)
        found = {(grant.shop, grant.order_id): grant for grant in map(stored.from_row, rows)}
        for key, one in news.items():
            grant = found.get(key) or Grant(*key)
            known, grant.stages = stages(grant.known, one)
            if known is grant.known and not grant.stages:
                continue
            if one.told:
                grant.name = text.clean(one.told[-1].order.order_name, ORDER_NAME_LENGTH)
            if not grant.stages:
                grant.known = known
            self.grants[key] = grant
        await self._load_terms(conn)

    async def _load_terms(self, conn: Connection) -> None:
        """The rules of the orders' own times, and how shops take back today."""
        wanted = {
            key: grant.stages[-1].known.placed_at
            for key, grant in self.grants.items()
            if grant.stages and grant.stages[-1].known.at is not None
        }
        today = await terms.of_shops(conn, {shop for shop, _ in wanted}) if wanted else {}
        self.policies = {shop: one.clawback for shop, one in today.items()}
        earlier = await terms.at(conn, today, wanted)
        self.newest = {
            shop: (one.newest_copy, one.copied_at) for shop, one in today.items() if one.newest_copy
        }
        with_terms = []
        for key in wanted:
            grant, of_order = self.grants[key], earlier.get(key) or today[key[0]]
            is_first = grant.frozen is None
            grant.freeze(of_order)
            if of_order.order_terms:
                with_terms.append((grant, order_terms.read(of_order.order_terms), is_first))
        if with_terms:
            await self._apply_terms(conn, with_terms)

    async def _apply_terms(
        self, conn: Connection, wanted: Sequence[tuple[Grant, OrderTerms, bool]]
    ) -> None:
        """What of these orders earns by their terms; where it is known, of lines that came later
        alone.
        """
        named = [(one.shop, name) for one, said, _ in wanted for name in said.collections]
        products = [line.product_id for one, _, _ in wanted for line in one.stages[-1].known.lines]
        where = await collections.holding(conn, named, products if named else ())
        for grant, said, is_first in wanted:
            assert grant.frozen is not None
            lines, of_shop = _lines(grant), collections.of_shop(where, grant.shop)
            news = self.incoming.orders.get((grant.shop, grant.order_id))
            if is_first and news is not None and news.told:
                order = news.told[-1].order
                grant.frozen = order_terms.frozen(grant.frozen, said, order, lines, of_shop)
            else:
                grant.frozen = order_terms.extended(grant.frozen, said, lines, of_shop)

    async def _load_left(self, conn: Connection, late: Sequence[Grant]) -> None:
        rows = await conn.fetch(
            stored.SELECT_LEFT, [grant.shop for grant in late], [grant.source for grant in late]
        )
        for row in rows:
            grant = self.grants[row["shop"], row["source"].partition(":")[2]]
            grant.lapsed, grant.forgiven = row["lapsed"], row["forgiven"]
            grant.unmet = row["unmet"]
            grant.left = (grant.forgiven, grant.unmet, grant.lapsed)


def _lines(grant: Grant) -> list[Line]:
    """The lines that its stages bring, beside those known before."""
    known = {line.line_id for line in grant.known.lines}
    found = {line.line_id: line for one in grant.stages for line in one.known.lines}
    return [line for name, line in found.items() if name not in known]


def _customer(grant: Grant) -> str:
    return grant.stages[-1].known.customer_id or ""


def _is_late(grant: Grant) -> bool:
    return grant.member_id is not None
