"""Orders in batches: a handful of statements around the decisions of `grants`, however many
orders there are.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from app import text
from app.db import Connection
from app.points.earning import grants, terms
from app.points.earning.grants import Grant
from app.points.earning.known import stages
from app.points.earning.rules import Frozen
from app.points.facts import ORDER_NAME_LENGTH, Incoming
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
SELECT_GRANTS = """
SELECT found.shop, found.source, found.name, found.member_id, found.outcome, found.points,
       found.reversed_points, found.revision, found.frozen, found.known
  FROM unnest($1::text[], $2::text[]) AS wanted (shop, source)
  JOIN grants AS found ON found.shop = wanted.shop AND found.source = wanted.source
"""
# what time and rewards change: read once nobody else can
SELECT_LEFT = """
SELECT found.shop, found.source, found.lapsed, found.forgiven, found.unmet
  FROM unnest($1::text[], $2::text[]) AS wanted (shop, source)
  JOIN grants AS found ON found.shop = wanted.shop AND found.source = wanted.source
"""
GRANT = {
    "shop": "text",
    "kind": "text",
    "source": "text",
    "name": "text",
    "member_id": "bigint",
    "outcome": "text",
    "rule_version": "int",
    "frozen": "text",
    "known": "text",
    "points": "bigint",
    "reversed_points": "bigint",
    "forgiven": "bigint",
    "unmet": "bigint",
    "lapsed": "bigint",
    "revision": "int",
    "created_at": "timestamptz",
}
CHANGED = {name: kind for name, kind in GRANT.items() if name not in {"kind", "created_at"}}
UPDATE_GRANTS = """
UPDATE grants SET name = changed.name, member_id = changed.member_id, outcome = changed.outcome,
                  rule_version = changed.rule_version, frozen = changed.frozen,
                  known = changed.known, points = changed.points,
                  reversed_points = changed.reversed_points, revision = changed.revision,
                  forgiven = grants.forgiven + changed.forgiven,
                  unmet = grants.unmet + changed.unmet, lapsed = grants.lapsed + changed.lapsed
  FROM {changed} WHERE grants.shop = changed.shop AND grants.source = changed.source
"""
_encode = msgspec.json.Encoder(order="deterministic").encode


class OrderBatch(Batch):
    """A batch that follows what Shopify told of orders: load, decide, write, once each."""

    def __init__(self, incoming: Incoming, now: datetime) -> None:
        super().__init__(now)
        self.incoming = incoming
        self.policies: dict[str, str] = {}  # by shop
        self.grants: dict[Key, Grant] = {}  # those that news changes, by shop and order id

    async def load(self, conn: Connection) -> None:
        """Lock the orders, find what is new about them, and lock their members and lots; members
        who are missing are made.
        """
        await self._load_grants(conn)
        moving = [grant for grant in self.grants.values() if grant.stages]
        earning = [(grant.shop, _customer(grant)) for grant in moving if grant.is_counting()]
        late = [grant for grant in moving if grant.member_id is not None]
        ids = [grant.member_id for grant in late if grant.member_id is not None]
        customers = dict.fromkeys([*earning, *profiles.leaving(self.incoming)])
        if customers or ids:
            await self.lock(conn, customers, ids)
        await self.make(conn, profiles.wanted(self.incoming, earning))
        await self.follow_merged(conn)
        if late:
            await self._load_left(conn, late)
            members = (self.account(one) for one in ids)
            await self.load_lots(conn, {one.id for one in members if one is not None})

    def decide(self) -> None:
        """Give first, then take back, so that a batch never makes a debt it also repays."""
        for grant in sorted(self.grants.values(), key=_is_late):
            if not grant.stages:
                continue
            account = former = None
            if grant.is_counting():
                account = self.account(self.by_customer[grant.shop, _customer(grant)].id)
            if grant.member_id is not None:
                former = self.account(grant.member_id)
            grants.follow(self, grant, account, former, self.policies.get(grant.shop, ""))

    def gather(self, writes: Writes) -> None:
        fresh = [self._record(grant) for grant in self.grants.values() if grant.is_new]
        writes.insert("grants", GRANT, fresh)
        changed = [_changed(grant) for grant in self.grants.values() if not grant.is_new]
        if changed:
            writes.add(UPDATE_GRANTS.format(changed=writes.rows("changed", CHANGED, changed)))
        super().gather(writes)

    async def _load_grants(self, conn: Connection) -> None:
        news = self.incoming.orders
        if not news:
            return
        await conn.fetch(LOCK_ORDERS, [f"{shop}/{order_id}" for shop, order_id in news])
        shops = [shop for shop, _ in news]
        sources = [f"order:{order_id}" for _, order_id in news]
        rows = await conn.fetch(SELECT_GRANTS, shops, sources)
        found = {(grant.shop, grant.order_id): grant for grant in map(grants.from_row, rows)}
        for key, one in news.items():
            grant = found.get(key) or Grant(*key)
            known, grant.stages = stages(grant.known, one)
            if known is grant.known:
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
        for key in wanted:
            self.grants[key].freeze(earlier.get(key) or today[key[0]])

    async def _load_left(self, conn: Connection, late: Sequence[Grant]) -> None:
        rows = await conn.fetch(
            SELECT_LEFT, [grant.shop for grant in late], [grant.source for grant in late]
        )
        for row in rows:
            grant = self.grants[row["shop"], row["source"].partition(":")[2]]
            grant.lapsed, grant.forgiven = row["lapsed"], row["forgiven"]
            grant.unmet = row["unmet"]
            grant.left = (grant.forgiven, grant.unmet, grant.lapsed)

    def _record(self, grant: Grant) -> tuple[Any, ...]:
        return (
            grant.shop,
            "order",
            grant.source,
            grant.name,
            grant.member_id,
            grant.outcome,
            grant.frozen.rule if grant.frozen else 0,
            _encoded(grant.frozen),
            _encode(grant.known).decode(),
            grant.points,
            grant.reversed_points,
            grant.forgiven,
            grant.unmet,
            0,
            grant.revision,
            self.now,
        )


def _changed(grant: Grant) -> tuple[Any, ...]:
    """What time and rewards change meanwhile of a grant that moves nothing is left to them."""
    forgiven, unmet, lapsed = grant.left
    return (
        grant.shop,
        grant.source,
        grant.name,
        grant.member_id,
        grant.outcome,
        grant.frozen.rule if grant.frozen else 0,
        _encoded(grant.frozen),
        _encode(grant.known).decode(),
        grant.points,
        grant.reversed_points,
        grant.forgiven - forgiven,
        grant.unmet - unmet,
        grant.lapsed - lapsed,
        grant.revision,
    )


@lru_cache(maxsize=1024)  # as many as there are rules in use
def _encoded(frozen: Frozen | None) -> str:
    return _encode(frozen).decode() if frozen else ""


def _customer(grant: Grant) -> str:
    return grant.stages[-1].known.customer_id or ""


def _is_late(grant: Grant) -> bool:
    return grant.member_id is not None
