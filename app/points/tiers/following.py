"""Tiers follow the posting: what a grant counts for is kept with it, and whom it moves is placed
anew in the same transaction.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from app.db import Connection, Row
from app.errors import NotFoundError
from app.points.earning import stored, worth
from app.points.earning.grant import Grant
from app.points.ledger.accounts import Account, Key
from app.points.ledger.posting import Batch
from app.points.rewards import giving
from app.points.tiers import amounts, counting, placing
from app.points.tiers.counting import OfShop, Stood
from app.points.tiers.placing import Cause, Moved, Placing
from app.telemetry import logs
from app.telemetry.carriers import request_id_of
from app.writes import Writes

QUALIFYING = {
    "shop": "text",
    "member_id": "bigint",
    "source": "text",
    "at": "timestamptz",
    "points": "bigint",
    "spend": "bigint",
    "orders": "int",
}
UPSERT = """
INSERT INTO qualifying ({names}) SELECT {names} FROM {fresh}
ON CONFLICT (shop, member_id, source) DO UPDATE
   SET at = excluded.at, points = excluded.points, spend = excluded.spend, orders = excluded.orders
"""
# an order that is another customer's now; nobody but those locked had it
DELETE = """
DELETE FROM qualifying USING {gone}
 WHERE qualifying.shop = gone.shop AND qualifying.member_id = gone.member_id
   AND qualifying.source = gone.source
"""
GONE = {"shop": "text", "member_id": "bigint", "source": "text"}
Owners = dict[Key, int]
log = logs.logger()
COUNTED_OUTCOMES = frozenset({"earned", "zero"})


class Gone(NamedTuple):
    """A grant that does not count for this member."""

    shop: str
    member_id: int
    source: str


class Entry(NamedTuple):
    """What a grant counts for, net of what came back of it."""

    shop: str
    member_id: int
    source: str
    at: datetime  # when the order was placed
    points: int
    spend: int  # millionths of the shop's currency
    orders: int

    def amount(self, measure: str) -> int:
        if measure == "points":
            return self.points
        return self.spend if measure == "spend" else self.orders


def of_grant(grant: Grant, member_id: int) -> Entry | None:
    """What an order's grant counts for; None for one that counts for nobody. Orders placed while
    the programme was not live count as little as they earn.
    """
    known, frozen = grant.known, grant.frozen
    at = known.placed_at or known.paid_at or known.at
    if grant.outcome not in COUNTED_OUTCOMES or frozen is None or at is None or known.is_test:
        return None
    spend = 0
    if not (known.ended or frozen.outside):
        is_found = grant.base is not None and not known.refunds
        whole, of = (is_found and grant.base) or worth.standing_goods(known, frozen)
        spend = max(0, whole // of)
    return Entry(
        grant.shop, member_id, grant.source, at, max(0, grant.net), spend, 1 if spend else 0
    )


def of_row(row: Row, member_id: int) -> Entry | None:
    """The same of a row of `grants`. Of what is no order only imported points count: those for
    accounts, birthdays, referrals and actions are for spending, like what staff give.
    """
    if row["kind"] == "order":
        return of_grant(stored.from_row(row), member_id)
    if row["kind"] != "import":
        return None
    points = max(0, row["points"] - row["reversed_points"])
    return Entry(row["shop"], member_id, row["source"], row["created_at"], points, 0, 0)


def keep(writes: Writes, entries: Sequence[Entry]) -> None:
    """Write what grants count for in place of what was kept of them."""
    if entries:
        fresh = writes.rows("fresh", QUALIFYING, entries)
        writes.add(UPSERT.format(names=", ".join(QUALIFYING), fresh=fresh))


def owners(changed: Iterable[Grant]) -> Owners:
    """Whose orders a batch changes were before it is decided, as far as they were somebody's."""
    return {
        (grant.shop, grant.source): grant.member_id
        for grant in changed
        if grant.member_id is not None and not grant.is_new
    }


async def orders(
    conn: Connection,
    batch: Batch,
    changed: Iterable[Grant],
    former: Owners,
    tiers: Mapping[str, OfShop],
    stood: Mapping[int, Stood],
) -> None:
    """Count what orders of a batch that is decided are worth, and place whose they are and, by
    `former`, whose they were. The batch is to be written after it. `tiers` and `stood`, as far as
    members were asked for, were read when they were locked.
    """
    of_shops = {shop: one for shop, one in tiers.items() if one.is_counting}
    moving = [
        grant
        for grant in changed
        if grant.shop in of_shops and grant.stages and grant.member_id is not None
    ]
    if not moving:
        return
    news = News()
    for grant in moving:
        account = batch.account(grant.member_id or 0)
        if account is not None:
            was = None if grant.is_new else former.get((grant.shop, grant.source))
            news.add(grant, account, None if was is None else batch.account(was))
    await _follow(conn, batch, news, of_shops, stood)


class News:
    """What orders change of what counts."""

    def __init__(self) -> None:
        self.fresh: list[Entry] = []  # of new grants: nothing is kept of them
        self.again: list[Entry] = []
        self.gone: list[Gone] = []
        self.causes: dict[int, Grant] = {}  # what came last, by member

    def add(self, grant: Grant, account: Account, before: Account | None) -> None:
        entry = of_grant(grant, account.id)
        if entry is not None:
            (self.fresh if grant.is_new else self.again).append(entry)
        if before is not None and (entry is None or before.id != account.id):
            self.gone.append(Gone(grant.shop, before.id, grant.source))
            self.causes[before.id] = grant
        self.causes[account.id] = grant


async def _follow(
    conn: Connection,
    batch: Batch,
    news: News,
    of_shops: Mapping[str, OfShop],
    stood: Mapping[int, Stood],
) -> None:
    entries = [*news.fresh, *news.again]
    wanted = {one.member_id for one in entries} | {one.member_id for one in news.gone}
    members = {
        account.id: (of_shops[account.shop], account.shop, account.id)
        for account in (batch.accounts[one] for one in sorted(wanted))
        if account.merged_into is None
    }
    if not members:
        return
    counted: counting.News = {member_id: [] for member_id in members}
    measures = {shop: one.of.scheme.measure for shop, one in of_shops.items()}
    for entry in entries:
        if entry.member_id in members:
            amount = entry.amount(measures[entry.shop])
            counted[entry.member_id].append((min(entry.at, batch.now), amount))
    again: list[Entry | Gone] = [*news.again, *news.gone]
    told = [f"{one.shop}/{one.source}" for one in again]
    result = Placing(batch.now)
    known = counting.known(members, stood, {one.member_id for one in again}, batch)
    staying = counting.staying(members, known, counted, batch)
    rest = [one for member_id, one in members.items() if member_id not in staying.ids]
    for case in await counting.load(conn, rest, counted, batch.now, told, known) if rest else ():
        if batch.accounts[case.member_id].is_frozen:
            result.wait(case)
        else:
            result.place(case, _cause(news.causes[case.member_id]))
    placing.tell(batch, result.moved)
    await _welcome(conn, batch, result.moved)
    left = [one for one in news.gone if one.member_id in members]

    def gather(writes: Writes) -> None:
        fresh = [one for one in news.fresh if one.member_id in members]
        writes.insert("qualifying", QUALIFYING, fresh)
        keep(writes, [one for one in news.again if one.member_id in members])
        if left:
            writes.add(DELETE.format(gone=writes.rows("gone", GONE, left)))
        staying.gather(writes)
        result.gather(writes)

    batch.besides.append(gather)


async def _welcome(conn: Connection, batch: Batch, moved: Sequence[Moved]) -> None:
    """Give who came into a tier by an order what it gives on entry, once for each member and tier;
    a reward that is no more is a promise nobody can keep, and holds nobody up.
    """
    for one in moved:
        tier = one.case.of.tier(one.tier_id)
        if not one.is_up or one.cause.kind != "order" or tier is None or not tier.reward_id:
            continue
        account = batch.accounts[one.case.member_id]
        source = f"tier:{tier.tier_id}:{account.id}"
        why = f"A welcome to {tier.name}."
        try:
            await giving.give(
                conn, batch, account, tier.reward_id, source, why, request_id_of(one.cause.trace)
            )
        except NotFoundError:
            log.warning("a tier gives a reward that is no more", shop=account.shop, tier=tier.name)


def _cause(grant: Grant) -> Cause:
    kind = "order" if grant.is_new else "refund"
    return Cause(kind, f"Order {grant.name or grant.order_id}", grant.stages[-1].cause.trace)


MOVE = "UPDATE qualifying SET member_id = $3 WHERE shop = $1 AND member_id = $2"
LEAVE = "DELETE FROM tier_standings WHERE shop = $1 AND member_id = $2"
FORGET = """
WITH gone AS (
    SELECT one.shop, one.id FROM unnest($1::text[], $2::bigint[]) AS one (shop, id)
     WHERE NOT EXISTS (SELECT FROM members WHERE members.id = one.id)
), counted AS (
    DELETE FROM qualifying USING gone
     WHERE qualifying.shop = gone.shop AND qualifying.member_id = gone.id
), changes AS (
    DELETE FROM tier_changes USING gone
     WHERE tier_changes.shop = gone.shop AND tier_changes.member_id = gone.id
)
DELETE FROM tier_standings USING gone
 WHERE tier_standings.shop = gone.shop AND tier_standings.member_id = gone.id
"""


async def merge(conn: Connection, batch: Batch, gone: Account, kept: Account) -> None:
    """What counted for one locked member counts for another one, who is placed anew by it; the
    batch is to be written after it.
    """
    await conn.execute(MOVE, gone.shop, gone.id, kept.id)
    await conn.execute(LEAVE, gone.shop, gone.id)
    placed = Placing(batch.now)
    for case in await amounts.load(conn, [(kept.shop, kept.id)], batch.now):
        placed.place(case, Cause("merge"))
    placing.tell(batch, placed.moved)
    batch.besides.append(placed.gather)


async def forget(conn: Connection, members: Sequence[Account]) -> None:
    """Nothing is left of those of these members who are no members any more."""
    if members:
        await conn.execute(FORGET, [one.shop for one in members], [one.id for one in members])
