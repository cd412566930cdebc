"""Orders in batches: a handful of statements around the decisions of `grants`, however many
orders there are.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from app.db import Connection
from app.facts import OrderPaid
from app.points.earning import grants, terms
from app.points.earning.grants import Applied, Award
from app.points.earning.rules import Terms
from app.points.facts import Incoming, Reversal
from app.points.ledger.accounts import Key
from app.points.ledger.posting import Batch
from app.points.members import profiles
from app.writes import Writes

# An order and its refund may be in the hands of two workers at once: whoever comes second must see
# what the first did. One lock an order, taken in one order by all; they end with the transaction.
LOCK_ORDERS = """
SELECT pg_advisory_xact_lock(key)
  FROM (SELECT DISTINCT hashtextextended(name, 0) AS key
          FROM unnest($1::text[]) AS name ORDER BY key) AS keys
"""
SELECT_AWARDS = """
SELECT award.shop, award.order_id, award.order_name, award.member_id, award.outcome, award.points,
       award.reversed_points, CASE WHEN wanted.reverses THEN award.frozen END AS frozen,
       award.progress
  FROM unnest($1::text[], $2::text[], $3::bool[]) AS wanted (shop, order_id, reverses)
  JOIN awards AS award ON award.shop = wanted.shop AND award.order_id = wanted.order_id
"""
SELECT_SHOPS = f"""
SELECT wanted.shop, terms.*,
       EXISTS (SELECT FROM reversals
                WHERE reversals.shop = wanted.shop AND NOT is_applied) AS has_waiting
  FROM unnest($1::text[]) AS wanted (shop) LEFT JOIN {terms.NEWEST} ON TRUE
"""
SELECT_WAITING = """
SELECT reversal.shop, reversal.order_id, reversal.source, reversal.data
  FROM unnest($1::text[], $2::text[]) AS wanted (shop, order_id)
  JOIN reversals AS reversal ON reversal.shop = wanted.shop AND reversal.order_id = wanted.order_id
 WHERE NOT reversal.is_applied
 ORDER BY reversal.id
"""
INSERT_REVERSALS = """
INSERT INTO reversals (shop, order_id, source, data, is_applied, points, forgiven, created_at)
SELECT shop, order_id, source, data, FALSE, 0, 0, now()
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
    AS fresh (shop, order_id, source, data)
ON CONFLICT (shop, source) DO NOTHING
RETURNING shop, source
"""
MARK_APPLIED = """
UPDATE reversals SET is_applied = TRUE, points = done.points, forgiven = done.forgiven
  FROM {done} WHERE reversals.shop = done.shop AND reversals.source = done.source
"""
APPLIED = {"shop": "text", "source": "text", "points": "bigint", "forgiven": "bigint"}
AWARD = {
    "shop": "text",
    "order_id": "text",
    "order_name": "text",
    "member_id": "bigint",
    "outcome": "text",
    "rule_version": "int",
    "frozen": "text",
    "points": "bigint",
    "reversed_points": "bigint",
    "progress": "text",
    "created_at": "timestamptz",
}
UPDATE_AWARDS = """
UPDATE awards SET reversed_points = changed.reversed_points, progress = changed.progress
  FROM {changed} WHERE awards.shop = changed.shop AND awards.order_id = changed.order_id
"""
CHANGED = {"shop": "text", "order_id": "text", "reversed_points": "bigint", "progress": "text"}
_encode = msgspec.json.Encoder(order="deterministic").encode
_reversal = msgspec.json.Decoder(Reversal)


class OrderBatch(Batch):
    """A batch that follows what Shopify told of orders: load, decide, write, once each."""

    def __init__(self, incoming: Incoming, now: datetime) -> None:
        super().__init__(now)
        self.incoming = incoming
        self.terms: dict[str, Terms] = {}  # by shop
        self.fresh: dict[Key, Award] = {}  # new awards, by shop and order id
        self.earlier: dict[Key, Award] = {}  # those that something is asked back from
        # reversals of the fresh ones, and of the earlier ones: source and what
        self.known: dict[Key, list[tuple[str, Reversal]]] = defaultdict(list)
        self.late: list[tuple[Key, str, Reversal]] = []
        self.applied: list[Applied] = []

    async def load(self, conn: Connection) -> None:
        """Lock the orders, find what is new about them, and lock their members and lots.

        New reversals are recorded, and wait if need be; members who are missing are made.
        """
        await self._load_orders(conn)
        earning = self._earning()
        late = [one.member_id for one in self.earlier.values() if one.member_id is not None]
        customers = dict.fromkeys([*earning, *profiles.leaving(self.incoming)])
        if customers or late:
            await self.lock(conn, customers, late)
        await self.make(conn, profiles.wanted(self.incoming, earning))
        if self.late:
            await self.load_lots(conn, {one for one in late if one in self.accounts})

    def decide(self) -> None:
        """Earn first, then take back, so that a batch never makes a debt it also repays."""
        for key, award in self.fresh.items():
            self._decide_fresh(key, award)
        for key, source, reversal in self.late:
            award = self.earlier[key]
            account = self.accounts.get(award.member_id) if award.member_id is not None else None
            policy = self.terms[award.shop].clawback
            self.applied.append(grants.take_back(self, award, source, reversal, policy, account))

    def gather(self, writes: Writes) -> None:
        writes.insert("awards", AWARD, [self._record(award) for award in self.fresh.values()])
        changed = [
            (award.shop, award.order_id, award.reversed_points, _encode(award.progress).decode())
            for award in {key: self.earlier[key] for key, _, _ in self.late}.values()
        ]
        if changed:
            writes.add(UPDATE_AWARDS.format(changed=writes.rows("changed", CHANGED, changed)))
        if self.applied:
            writes.add(MARK_APPLIED.format(done=writes.rows("done", APPLIED, self.applied)))
        super().gather(writes)

    async def _load_orders(self, conn: Connection) -> None:
        paid, reversals = self.incoming.paid, self.incoming.reversals
        reversed_orders = {(shop, order_id) for (shop, _), (order_id, _) in reversals.items()}
        keys = list(paid.keys() | reversed_orders)
        if not keys:
            return
        await conn.fetch(LOCK_ORDERS, [f"{shop}/{order_id}" for shop, order_id in keys])
        rows = await conn.fetch(
            SELECT_AWARDS,
            [shop for shop, _ in keys],
            [order_id for _, order_id in keys],
            [key in reversed_orders for key in keys],
        )
        seen = {(row["shop"], row["order_id"]): row for row in rows}
        self.earlier = {
            key: grants.from_row(row) for key, row in seen.items() if row["frozen"] is not None
        }
        fresh = [key for key in paid if key not in seen]
        await self._load_shops(conn, fresh)
        for key in fresh:
            self.fresh[key] = grants.freeze(paid[key], self.terms[key[0]])
        if reversals:
            await self._record_reversals(conn)

    async def _load_shops(self, conn: Connection, fresh: list[Key]) -> None:
        """The terms of all shops, and the reversals that wait for the fresh orders."""
        shops = {shop for shop, _ in fresh} | {shop for shop, _ in self.earlier}
        if not shops:
            return
        waiting = set()
        for row in await conn.fetch(SELECT_SHOPS, list(shops)):
            self.terms[row["shop"]] = terms.from_row(row)
            if row["has_waiting"]:
                waiting.add(row["shop"])
        wanted = [key for key in fresh if key[0] in waiting]
        if not wanted:
            return
        for row in await conn.fetch(
            SELECT_WAITING, [shop for shop, _ in wanted], [order_id for _, order_id in wanted]
        ):
            key = (row["shop"], row["order_id"])
            self.known[key].append((row["source"], _reversal.decode(row["data"])))

    async def _record_reversals(self, conn: Connection) -> None:
        reversals = self.incoming.reversals
        inserted = await conn.fetch(
            INSERT_REVERSALS,
            [shop for shop, _ in reversals],
            [order_id for order_id, _ in reversals.values()],
            [source for _, source in reversals],
            [_encode(reversal).decode() for _, reversal in reversals.values()],
        )
        new = {(row["shop"], row["source"]) for row in inserted}
        for (shop, source), (order_id, reversal) in reversals.items():
            key = (shop, order_id)
            if (shop, source) not in new:
                continue
            if key in self.fresh:
                self.known[key].append((source, reversal))
            elif key in self.earlier:
                self.late.append((key, source, reversal))

    def _earning(self) -> Mapping[Key, OrderPaid]:
        """Whose rows the fresh awards need, by shop and customer id, with an order of theirs."""
        orders = (
            (award.shop, self.incoming.paid[key].order)
            for key, award in self.fresh.items()
            if award.outcome in {"earned", "zero"}
        )
        return {(shop, order.customer_id or ""): order for shop, order in orders}

    def _decide_fresh(self, key: Key, award: Award) -> None:
        paid = self.incoming.paid[key]
        known = self.known.get(key, [])
        if award.outcome in {"earned", "zero"}:
            account = self.by_customer[award.shop, paid.order.customer_id or ""]
            award.member_id = account.id
            if award.points:
                rule = self.terms[award.shop]
                self.applied.extend(grants.earn(self, award, paid, rule, account, known))
                return
        for source, reversal in known:
            grants.progress(award, reversal)
            self.applied.append(Applied(award.shop, source, 0, 0))

    def _record(self, award: Award) -> tuple[Any, ...]:
        return (
            award.shop,
            award.order_id,
            award.order_name,
            award.member_id,
            award.outcome,
            award.rule_version,
            _encode(award.frozen).decode(),
            award.points,
            award.reversed_points,
            _encode(award.progress).decode(),
            self.now,
        )
