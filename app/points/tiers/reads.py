"""What pages and shoppers see of tiers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import zip_longest

from app import calendar, db
from app.db import Connection, Row
from app.points.earning import terms
from app.points.tiers import amounts, rules, schemes, wording
from app.points.tiers.amounts import Case
from app.points.tiers.rules import Scheme, Tier

VERSIONS_MAX = 20
HISTORY_SIZE = 20
NOBODY = 0  # no member has this id
SELECT_SHOP = """
SELECT version, is_on, stage, done, total FROM tier_shops WHERE shop = $1
"""
SELECT_VERSIONS = """
SELECT version, scheme, edited_by, created_at FROM tier_versions
 WHERE shop = $1 ORDER BY version DESC LIMIT $2
"""
SELECT_MEMBER = """
SELECT member.id, CASE WHEN standing.changed_at > to_timestamp(0) THEN standing.changed_at
                       WHEN standing.tier_id IS NOT NULL THEN member.joined_at END AS changed_at
  FROM members AS member
  LEFT JOIN tier_standings AS standing
         ON standing.shop = member.shop AND standing.member_id = member.id
 WHERE member.shop = $1 AND member.customer_id = $2
"""
SELECT_HISTORY = """
SELECT at, tier, cause, why FROM tier_changes WHERE member_id = $1
 ORDER BY at DESC, id DESC LIMIT $2
"""


@dataclass(frozen=True, slots=True)
class TierRow:
    """A tier as pages show it; `threshold` is in the measure, money in millionths."""

    tier_id: str
    name: str
    icon: str
    threshold: int
    factor_units: int  # 10_000 is once
    perks: list[str]
    reward_id: str


@dataclass(frozen=True, slots=True)
class TierVersionView:
    """A version of the settings, in words."""

    version: int
    tiers: str
    gives: list[str]  # tiers of the version before that give something else since
    counted: str
    lost: str
    edited_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Tiers:
    """A shop's tiers now, the lowest first; version 0 for a shop that never had any."""

    version: int
    is_on: bool
    measure: str  # points | spend | orders
    period: str  # year | rolling | forever
    days: int
    policy: str  # balance | cycle | one | never
    grace_days: int
    currency: str
    tiers: list[TierRow]
    stage: str  # done, or clearing | counting | placing while everybody is placed anew
    done: int
    total: int
    versions: list[TierVersionView]


@dataclass(frozen=True, slots=True)
class NextTier:
    name: str
    have: int
    want: int


@dataclass(frozen=True, slots=True)
class Keeps:
    """What keeps a tier: so much until the end of that day; None where time takes none away."""

    until: date | None
    have: int
    want: int
    falls_to: str


@dataclass(frozen=True, slots=True)
class Entered:
    """Somebody came into a tier; `tier` is empty for none."""

    tier: str
    cause: str
    why: str
    at: datetime


@dataclass(frozen=True, slots=True)
class MemberTier:
    """Where a member stands; `tier` is None for none."""

    measure: str
    period: str
    tier: TierRow | None
    have: int
    next: NextTier | None
    keeps: Keeps | None
    since: datetime | None
    history: list[Entered]  # the newest first


async def tiers(shop: str) -> Tiers:
    """The tiers of a shop with every newer version of their settings."""
    async with db.connection() as conn:
        of_shop = await conn.fetchrow(SELECT_SHOP, shop)
        rows = await conn.fetch(SELECT_VERSIONS, shop, VERSIONS_MAX)
        currency = (await terms.program(conn, shop)).currency
    scheme = schemes.decoded(rows[0]["scheme"]) if rows else Scheme()
    return Tiers(
        rows[0]["version"] if rows else 0,
        bool(of_shop and of_shop["is_on"]),
        scheme.measure,
        scheme.period,
        scheme.days,
        scheme.policy,
        scheme.grace_days,
        currency,
        [_row(one) for one in scheme.tiers],
        of_shop["stage"] if of_shop else "done",
        of_shop["done"] if of_shop else 0,
        of_shop["total"] if of_shop else 0,
        [_version(row, older, currency) for row, older in zip_longest(rows, rows[1:])],
    )


async def offered(conn: Connection, shop: str) -> tuple[str, list[TierRow]]:
    """What is measured, and the tiers of a shop, the lowest first."""
    rows = await conn.fetch(SELECT_VERSIONS, shop, 1)
    scheme = schemes.decoded(rows[0]["scheme"]) if rows else Scheme()
    return scheme.measure, [_row(one) for one in scheme.tiers]


async def of_customer(shop: str, customer_id: str) -> MemberTier | None:
    """Where a customer stands, with every newer change and why it was."""
    async with db.connection() as conn:
        return await member(conn, shop, customer_id)


async def member(
    conn: Connection, shop: str, customer_id: str, *, with_history: bool = True
) -> MemberTier | None:
    """Where a customer stands just now, who need not be a member yet; None where there are no
    tiers.
    """
    found = await conn.fetchrow(SELECT_MEMBER, shop, customer_id)
    member_id = found["id"] if found else NOBODY
    now = datetime.now(UTC)
    cases = await amounts.load(conn, [(shop, member_id)], now)
    if not cases or not cases[0].of.scheme.tiers:
        return None
    rows: Sequence[Row] = ()
    if with_history:
        rows = await conn.fetch(SELECT_HISTORY, member_id, HISTORY_SIZE)
    return _member(cases[0], now, found["changed_at"] if found else None, rows)


def _member(
    case: Case, now: datetime, since: datetime | None, history: Sequence[Row]
) -> MemberTier:
    scheme, counted = case.of.scheme, case.counted()
    today = now.astimezone(calendar.zone(case.timezone)).date()
    placed = rules.place(scheme, counted, today)
    above = scheme.tiers[placed.level + 1] if placed.level + 1 < len(scheme.tiers) else None
    keeps = None
    if placed.level >= 0 and scheme.tiers[placed.level].threshold > 0:
        outlook = rules.outlook(scheme, counted, today)
        below = scheme.tiers[outlook.falls_to].name if outlook.falls_to >= 0 else ""
        until = outlook.falls_on - timedelta(days=1) if outlook.falls_on else None
        keeps = Keeps(until, outlook.have, outlook.want, below)
    return MemberTier(
        scheme.measure,
        wording.period(scheme),
        _row(scheme.tiers[placed.level]) if placed.level >= 0 else None,
        placed.have,
        NextTier(above.name, placed.have, above.threshold) if above else None,
        keeps,
        since,
        [Entered(row["tier"], row["cause"], row["why"], row["at"]) for row in history],
    )


def _row(tier: Tier) -> TierRow:
    return TierRow(
        tier.tier_id,
        tier.name,
        tier.icon,
        tier.threshold,
        tier.factor_units,
        tier.perks,
        tier.reward_id,
    )


def _version(row: Row, older: Row | None, currency: str) -> TierVersionView:
    scheme = schemes.decoded(row["scheme"])
    before = schemes.decoded(older["scheme"]).tiers if older else []
    gave = {one.tier_id: _given(one) for one in before}
    steps = [
        f"{one.name} from {wording.amount(scheme.measure, one.threshold, currency)}"
        for one in scheme.tiers
    ]
    return TierVersionView(
        row["version"],
        ", ".join(steps) or "No tiers",
        [one.name for one in scheme.tiers if gave.get(one.tier_id, _given(one)) != _given(one)],
        wording.counted(scheme),
        wording.lost(scheme),
        row["edited_by"],
        row["created_at"],
    )


def _given(tier: Tier) -> tuple[int, list[str], str, str]:
    return tier.factor_units, tier.perks, tier.reward_id, tier.icon
