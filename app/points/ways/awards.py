"""Points for anything but orders: given to a locked member with a grant of their own, and taken
back from it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from app import text
from app.db import Connection, Row
from app.points import facts
from app.points.earning import rules, stored
from app.points.earning.campaigns import events
from app.points.earning.campaigns.events import EventBonus
from app.points.earning.rules import Terms
from app.points.ledger import lots
from app.points.ledger.accounts import Account
from app.points.ledger.lots import Lot
from app.points.ledger.posting import Batch

NAME_LENGTH = 64
GRANT = {name: kind for name, kind in stored.GRANT.items() if name != "bonuses"}
SELECT_GIVEN = """
SELECT member_id, kind, source FROM grants
 WHERE member_id = ANY($1::bigint[]) AND kind = ANY($2::text[]) AND kind <> 'order'
"""
SELECT_GRANTS = """
SELECT found.shop, found.source, found.kind, found.name, found.member_id, found.frozen,
       found.known, found.points, found.reversed_points, found.forgiven, found.unmet, found.lapsed,
       found.revision
  FROM unnest($1::text[], $2::text[]) AS wanted (shop, source)
  JOIN grants AS found ON found.shop = wanted.shop AND found.source = wanted.source
"""
TAKEN_BACK = """
UPDATE grants SET reversed_points = reversed_points + $3, forgiven = forgiven + $4,
                  unmet = unmet + $5, lapsed = lapsed - $6
 WHERE shop = $1 AND source = $2
"""
_encode = msgspec.json.Encoder(order="deterministic").encode


class Frozen(msgspec.Struct):
    """What of the frozen part of a grant is needed to take it back."""

    given: list[EventBonus] = []


_frozen = msgspec.json.Decoder(Frozen)


class Taking(NamedTuple):
    """What takes points of a grant back: its natural key, why, when, and the merchant's policy."""

    source: str
    why: Mapping[str, Any]
    at: datetime
    policy: str


def award(
    batch: Batch,
    account: Account,
    kind: str,
    source: str,
    points: int,
    why: Mapping[str, Any],
    at: datetime,
    terms: Terms,
    bonuses: Sequence[EventBonus] = (),
) -> None:
    """Give a locked member points that are no order's: a grant of that kind, a lot on hold-back and
    with its end by the programme's terms, and `points.earned`. `bonuses` are what campaigns gave of
    these points.

    `source` is the natural key: who calls has looked whether it is there. Raises FrozenError.
    """
    reasons = dict(why)
    if bonuses:
        reasons["bonuses"] = [[one.name, one.points] for one in bonuses]
    give(batch, account, kind, source, points, reasons, at, terms, bonuses)
    row = record(account, kind, source, points, reasons, terms, batch.now, bonuses=bonuses)
    batch.insert("grants", GRANT, row)


def give(
    batch: Batch,
    account: Account,
    kind: str,
    source: str,
    points: int,
    why: Mapping[str, Any],
    at: datetime,
    terms: Terms,
    bonuses: Sequence[EventBonus] = (),
) -> None:
    """The movement of `award`, without its grant."""
    available_at = at + timedelta(days=terms.pending_days)
    is_pending = available_at > batch.now
    reasons = dict(why)
    if is_pending:
        reasons["pending_until"] = available_at.isoformat()
    bucket = "pending" if is_pending else "available"
    batch.move(account, source, "earn", "issued", bucket, points, reasons, at)
    expires_at = rules.expires_at(available_at, terms.expiry_days, terms.timezone)
    lot = Lot(account.shop, account.id, source, points, available_at, is_pending, expires_at)
    batch.add(lot)
    told = _told(bonuses)
    batch.facts.append(facts.made("points.earned", account, source, points, "", kind=kind, **told))
    if not is_pending:
        batch.repay(account, [lot], source, points, at)


def record(
    account: Account,
    kind: str,
    source: str,
    points: int,
    why: Mapping[str, Any],
    terms: Terms,
    now: datetime,
    known: str = "{}",
    bonuses: Sequence[EventBonus] = (),
) -> tuple[Any, ...]:
    """The row of a grant; frozen is what it was given by."""
    frozen = {
        "rule": terms.version,
        "rate": "0",
        "rounding": terms.rounding,
        "why": dict(why),
        "given": bonuses,
    }
    name = text.clean(str(why.get("title", "")), NAME_LENGTH)
    given = (points, 0, 0, 0, 0, 0)
    return (
        account.shop,
        kind,
        source,
        name,
        account.id,
        "earned" if points else "zero",
        terms.version,
        _encode(frozen).decode(),
        known,
        *given,
        now,
    )


async def given(conn: Connection, ids: Iterable[int], kinds: Iterable[str]) -> dict[int, set[str]]:
    """What these locked members were given already, by member: sources without who they name."""
    found: dict[int, set[str]] = {}
    for row in await conn.fetch(SELECT_GIVEN, list(ids), list(kinds)):
        found.setdefault(row["member_id"], set()).add(unnamed(row["source"]))
    return found


def unnamed(source: str) -> str:
    """A source without the customer it names: an account that was merged has another's, too."""
    parts = source.split(":")
    return ":".join([*parts[:2], *parts[3:]]) if parts[0] == "way" else source


async def take_back(conn: Connection, batch: Batch, account: Account, row: Row, how: Taking) -> int:
    """Take back what is left of a grant (a row of SELECT_GRANTS), from where the merchant's policy
    allows; how many points went. The member is locked and the lots are loaded; what has lapsed is
    not taken from others. Raises FrozenError.
    """
    asked = row["points"] - row["reversed_points"]
    if not asked:
        return 0
    account.check_not_frozen()
    absorbed = min(asked, row["lapsed"])
    held = batch.lots.get(account.id, [])
    mine = [lot for lot in held if lots.is_of(lot, row["source"])]
    pending = sum(lot.remaining for lot in mine if lot.is_pending)
    parts = rules.clawback(asked - absorbed, pending, account.available, how.policy)
    reasons = {
        **how.why,
        "award": row["points"],
        "asked": asked,
        "forgiven": parts.forgiven,
        "lapsed": absorbed,
        "policy": how.policy,
    }

    def move(effect: str, bucket: str, points: int) -> None:
        batch.move(
            account, how.source, f"reverse.{effect}", bucket, "reversed", points, reasons, how.at
        )

    if parts.pending:
        lots.take(account.id, (lot for lot in mine if lot.is_pending), parts.pending)
        move("pending", "pending", parts.pending)
    if parts.available:
        released = (lot for lot in held if not lot.is_pending)
        lots.take(account.id, released, parts.available, first=row["source"])
        move("available", "available", parts.available)
    if parts.debt:
        move("debt", "debt", parts.debt)
    taken = parts.pending + parts.available + parts.debt
    bonuses = _frozen.decode(row["frozen"]).given if row["frozen"] else []
    if bonuses:
        await events.give_back(conn, account.shop, account.id, bonuses)
    if taken:
        batch.facts.append(
            facts.made(
                "points.reversed",
                account,
                how.source,
                taken,
                "",
                kind=row["kind"],
                forgiven=parts.forgiven,
                **_told(bonuses),
            )
        )
    unmet = parts.forgiven if how.policy == "within_balance" else 0
    await conn.execute(
        TAKEN_BACK, row["shop"], row["source"], asked, parts.forgiven, unmet, absorbed
    )
    return taken


def _told(bonuses: Sequence[EventBonus]) -> dict[str, Any]:
    """What a fact says of campaigns, where there is something: campaign, version and points."""
    found = [[one.campaign_id, one.version, one.points] for one in bonuses]
    return {"bonuses": found} if found else {}
