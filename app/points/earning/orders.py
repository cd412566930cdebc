"""Orders in batches: a handful of statements around the decisions of `awards`, however many
orders there are.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import msgspec

from app.points.earning import grants, terms
from app.points.earning.grants import Award, Decisions
from app.points.earning.rules import Terms
from app.points.facts import Asked, Incoming, Key
from app.points.ledger import lots
from app.points.ledger.posting import Member

# An order and its refund may be in the hands of two workers at once: whoever comes second must see
# what the first did. One lock an order, taken in one order by all; they end with the transaction.
LOCK_ORDERS = """
SELECT pg_advisory_xact_lock(key)
  FROM (SELECT DISTINCT hashtextextended(name,
  0) AS key FROM unnest($1::text[]) AS name ORDER BY key) AS keys
"""
SELECT_AWARDS = """
SELECT award.id, award.shop, award.order_id, award.order_name, award.member_id, award.outcome,
       award.points,
       award.reversed_points, CASE WHEN wanted.asked THEN award.frozen END AS frozen, award.progress
  FROM unnest($1::text[], $2::text[], $3::bool[]) AS wanted (shop, order_id, asked)
  JOIN awards AS award ON award.shop = wanted.shop AND award.order_id = wanted.order_id
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
  FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[]) AS fresh (shop, order_id, source,
              data)
ON CONFLICT (shop, source) DO NOTHING
RETURNING shop, source
"""
MARK_APPLIED = """
UPDATE reversals SET is_applied = TRUE, points = done.points, forgiven = done.forgiven
  FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS done (shop, source, points,
              forgiven)
 WHERE reversals.shop = done.shop AND reversals.source = done.source
"""
INSERT_AWARDS = """
INSERT INTO awards (shop, order_id, order_name, member_id, outcome, rule_version, frozen, points,
                    reversed_points,
                    progress, created_at)
SELECT shop, order_id, order_name, member_id, outcome, rule_version, frozen, points,
       reversed_points, progress, $11
  FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::int[],
              $7::jsonb[], $8::bigint[],
              $9::bigint[], $10::jsonb[])
    AS fresh (shop, order_id, order_name, member_id, outcome, rule_version, frozen, points,
              reversed_points, progress)
"""
UPDATE_AWARDS = """
UPDATE awards SET reversed_points = changed.reversed_points, progress = changed.progress
  FROM unnest($1::bigint[], $2::bigint[], $3::jsonb[]) AS changed (id, reversed_points, progress)
 WHERE awards.id = changed.id
"""
_encode = msgspec.json.Encoder(order="deterministic").encode
_asked = msgspec.json.Decoder(Asked)


class Work:
    """What was found in the database about a batch of orders, under their locks."""

    __slots__ = ("awards", "fresh", "known", "late", "terms")

    def __init__(self) -> None:
        self.fresh: dict[Key, Award] = {}  # new awards, still to be posted
        self.awards: dict[Key, Award] = {}  # earlier awards that something is asked back from
        self.known: dict[Key, list[tuple[str, Asked]]] = defaultdict(
            list
        )  # reversals of the fresh ones
        self.late: list[tuple[Key, str, Asked]] = []  # reversals of the earlier ones
        self.terms: dict[str, Terms] = {}

    def customers(self, incoming: Incoming) -> list[Key]:
        """Whose rows the fresh awards will need."""
        return [
            (shop, incoming.paid[shop, order_id].order.customer_id or "")
            for (shop, order_id), award in self.fresh.items()
            if award.outcome in {"earned", "zero"}
        ]

    def members(self) -> list[int]:
        """Who may lose points to a late reversal."""
        return [award.member_id for award in self.awards.values() if award.member_id is not None]


async def load(conn: Any, incoming: Incoming) -> Work:
    """Lock the orders and find what is new about them; records new reversals, which wait if
    need be.
    """
    work = Work()
    asked_orders = {(shop, order_id) for (shop, _), (order_id, _) in incoming.asked.items()}
    keys = list(incoming.paid.keys() | asked_orders)
    if not keys:
        return work
    await conn.fetch(LOCK_ORDERS, [f"{shop}/{order_id}" for shop, order_id in keys])
    columns = [shop for shop, _ in keys], [order_id for _, order_id in keys]
    seen: set[Key] = set()
    for row in await conn.fetch(SELECT_AWARDS, *columns, [key in asked_orders for key in keys]):
        key = (row["shop"], row["order_id"])
        seen.add(key)
        if row["frozen"] is not None:
            work.awards[key] = grants.from_row(row)
    new_orders = [key for key in incoming.paid if key not in seen]
    work.terms = await terms.of_shops(
        conn, {shop for shop, _ in new_orders} | {shop for shop, _ in work.awards}
    )
    for key in new_orders:
        work.fresh[key] = grants.freeze(incoming.paid[key], work.terms[key[0]])
    await _load_reversals(conn, incoming, work)
    return work


async def _load_reversals(conn: Any, incoming: Incoming, work: Work) -> None:
    if work.fresh:
        columns = [shop for shop, _ in work.fresh], [order_id for _, order_id in work.fresh]
        for row in await conn.fetch(SELECT_WAITING, *columns):
            work.known[row["shop"], row["order_id"]].append(
                (row["source"], _asked.decode(row["data"]))
            )
    if not incoming.asked:
        return
    inserted = await conn.fetch(
        INSERT_REVERSALS,
        [shop for shop, _ in incoming.asked],
        [order_id for order_id, _ in incoming.asked.values()],
        [source for _, source in incoming.asked],
        [_encode(asked).decode() for _, asked in incoming.asked.values()],
    )
    is_new = {(row["shop"], row["source"]) for row in inserted}
    for (shop, source), (order_id, asked) in incoming.asked.items():
        key = (shop, order_id)
        if (shop, source) not in is_new:
            continue
        if key in work.fresh:
            work.known[key].append((source, asked))
        elif key in work.awards:
            work.late.append((key, source, asked))


def decide(
    incoming: Incoming,
    work: Work,
    decisions: Decisions,
    by_key: dict[Key, Member],
    by_id: dict[int, Member],
) -> None:
    """Earn first, then take back, so that a batch never makes a debt it also repays."""
    for key, award in work.fresh.items():
        shop = key[0]
        paid = incoming.paid[key]
        decisions.awards.append(award)
        known = work.known.get(key, [])
        if award.outcome in {"earned", "zero"}:
            member = by_key[shop, paid.order.customer_id or ""]
            award.member_id = member.id
            if award.points:
                grants.earn(decisions, award, paid, work.terms[shop], member, known)
                continue
        for source, asked in known:
            grants.progress(award, asked)
            decisions.applied.append((shop, source, 0, 0))
    for key, source, asked in work.late:
        award = work.awards[key]
        member_or_none = by_id.get(award.member_id) if award.member_id is not None else None
        grants.take_back(
            decisions, award, source, asked, work.terms[key[0]].clawback, member_or_none
        )


async def write(conn: Any, decisions: Decisions) -> None:
    """Everything that was decided, one statement a table and kind."""
    if decisions.awards:
        await _insert_awards(conn, decisions)
    if decisions.changed_awards:
        changed = list(decisions.changed_awards.values())
        await conn.execute(
            UPDATE_AWARDS,
            [award.id for award in changed],
            [award.reversed_points for award in changed],
            [_encode(award.progress).decode() for award in changed],
        )
    if decisions.applied:
        await conn.execute(MARK_APPLIED, *_columns(decisions.applied))
    await lots.write(conn, (lot for of_member in decisions.lots.values() for lot in of_member))
    await decisions.posting.write(conn)


async def _insert_awards(conn: Any, decisions: Decisions) -> None:
    new = decisions.awards
    await conn.execute(
        INSERT_AWARDS,
        [award.shop for award in new],
        [award.order_id for award in new],
        [award.order_name for award in new],
        [award.member_id for award in new],
        [award.outcome for award in new],
        [award.rule_version for award in new],
        [_encode(award.frozen).decode() for award in new],
        [award.points for award in new],
        [award.reversed_points for award in new],
        [_encode(award.progress).decode() for award in new],
        decisions.posting.recorded_at,
    )


def _columns(rows: Iterable[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
