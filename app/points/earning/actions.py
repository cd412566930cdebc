"""A shop's programme as its merchant edits it: every edit of the rules is a new version."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from app import db, text
from app.db import Connection
from app.errors import BadInputError, ConflictError, RefusedError
from app.points.earning import order_terms, rules, terms
from app.points.earning.campaigns import collections
from app.points.views import Program

RATE_MAX = 10_000
DAYS_MAX = 3_650
DEFAULT_REWARDS = (("5.00 off", 100, "5.00"), ("30.00 off", 500, "30.00"))
EDITABLE = frozenset(
    {"rate", "rounding", "pending_days", "expiry_days", "clawback", "returns", "order_terms"}
)
# what a programme can become from what it is; it never becomes a draft again
NEXT_STATES = {"draft": {"live"}, "live": {"paused"}, "paused": {"live"}}
# two edits at once: the second becomes the version after the first
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('program/' || $1::text, 0))"
INSERT_VERSION = """
INSERT INTO program_versions (shop, version, rate, rounding, pending_days, expiry_days, clawback,
                              timezone, currency, state, edited_by, returns, order_terms,
                              created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, now())
"""
SELECT_VERSION = """
SELECT rate, rounding, pending_days, expiry_days, clawback, returns, order_terms
  FROM program_versions
 WHERE shop = $1 AND version = $2
"""
SELECT_IS_OLDER = """
SELECT max(shop_said_at) > $2::timestamptz FROM program_versions WHERE shop = $1
"""
UPDATE_SAID_AT = """
UPDATE program_versions SET shop_said_at = $2::timestamptz
 WHERE shop = $1 AND version = (SELECT max(version) FROM program_versions WHERE shop = $1)
"""
INSERT_REWARDS = """
INSERT INTO rewards (shop, title, cost, amount_off, is_active, version, updated_at)
SELECT $1::text, title, cost, amount_off, TRUE, 1, now()
  FROM unnest($2::text[], $3::bigint[], $4::numeric[]) AS fresh (title, cost, amount_off)
 WHERE NOT EXISTS (SELECT FROM rewards WHERE shop = $1::text)
"""


async def ensure_program(shop: str, currency: str, timezone: str, state: str = "live") -> Program:
    """The shop's programme, made in that state and with its default rewards when there is none;
    follows the shop's currency and zone.
    """
    async with db.transaction() as conn:
        await conn.execute(LOCK, shop)
        current = await terms.program(conn, shop)
        titles, costs, amounts = zip(*DEFAULT_REWARDS, strict=True)
        await conn.execute(
            INSERT_REWARDS, shop, list(titles), list(costs), [Decimal(str(one)) for one in amounts]
        )
        if current.version == 0 or (current.currency, current.timezone) != (currency, timezone):
            first = {"state": state} if current.version == 0 else {}
            changed = {"currency": currency, "timezone": timezone, **first}
            await _insert(conn, current, changed, "Holdfast")
        return await terms.program(conn, shop)


async def follow_shop(shop: str, currency: str, timezone: str, said_at: datetime) -> None:
    """What a shop said of itself at `said_at`, empty where it did not: a new version of its
    programme where that has another currency or zone. What is older than what is known changes
    nothing; a shop that has no programme yet gets it with its installation.
    """
    async with db.transaction() as conn:
        await conn.execute(LOCK, shop)
        current = await terms.program(conn, shop)
        told = {"currency": currency or current.currency, "timezone": timezone or current.timezone}
        if not current.version or await conn.fetchval(SELECT_IS_OLDER, shop, said_at):
            return
        if (current.currency, current.timezone) != (*told.values(),):
            await _insert(conn, current, told, "Holdfast")
        await conn.execute(UPDATE_SAID_AT, shop, said_at)


class StaleRulesError(ConflictError):
    """Somebody else saved other rules meanwhile: `current` are those."""

    code = "stale"

    def __init__(self, current: Program) -> None:
        super().__init__(
            "Somebody else changed the rules meanwhile. Nothing of yours was saved yet."
        )
        self.current = current


async def edit_program(
    shop: str, fields: dict[str, Any], by: str, seen_version: int | None = None
) -> Program:
    """A new version with `fields` changed: rate, rounding, pending_days, expiry_days, clawback,
    returns (text or typed), order_terms (by the names of OrderTerms). `seen_version` is the one
    the editor was looking at.

    What stays the same makes no version. Raises BadInputError with the sentence to show beside the
    form, and StaleRulesError when other rules came into force after `seen_version`.
    """
    checked = _checked(fields)
    async with db.transaction() as conn:
        await conn.execute(LOCK, shop)
        current = await terms.program(conn, shop)
        is_change = any(getattr(current, name) != value for name, value in checked.items())
        if is_change and not await _is_seen(conn, current, seen_version):
            raise StaleRulesError(current)
        if current.version == 0 or is_change:
            await _insert(conn, current, checked, by)
            named = order_terms.read(checked.get("order_terms", "")).collections
            await collections.want(conn, [(shop, name) for name in named])
        return await terms.program(conn, shop)


async def _is_seen(conn: Connection, current: Program, seen_version: int | None) -> bool:
    """Whether who looked at `seen_version` knows the rules that are in force: a version of ours,
    for the shop's new zone, changed nothing an editor could revert.
    """
    if seen_version in {None, current.version}:
        return True
    seen = await conn.fetchrow(SELECT_VERSION, current.shop, seen_version)
    return seen is not None and all(seen[name] == getattr(current, name) for name in EDITABLE)


async def set_state(shop: str, state: str, by: str) -> Program:
    """Start the programme, pause it or let it go on, as a new version; one that is so already
    stays. Raises RefusedError for what it cannot become.
    """
    async with db.transaction() as conn:
        await conn.execute(LOCK, shop)
        current = await terms.program(conn, shop)
        if current.state != state:
            if state not in NEXT_STATES[current.state]:
                raise RefusedError(f"A {current.state} programme cannot become {state or 'that'}.")
            await _insert(conn, current, {"state": state}, by)
        return await terms.program(conn, shop)


async def _insert(conn: Connection, current: Program, changed: dict[str, Any], by: str) -> None:
    def value(name: str) -> Any:
        return changed.get(name, getattr(current, name))

    await conn.execute(
        INSERT_VERSION,
        current.shop,
        current.version + 1,
        value("rate"),
        value("rounding"),
        value("pending_days"),
        value("expiry_days"),
        value("clawback"),
        value("timezone"),
        value("currency"),
        value("state"),
        text.clean(by, 64),
        value("returns"),
        value("order_terms"),
    )


def _checked(fields: dict[str, Any]) -> dict[str, Any]:
    if unknown := fields.keys() - EDITABLE:
        raise BadInputError(f"There is nothing called {', '.join(sorted(unknown))} in a programme.")
    checked = dict(fields)
    if "rate" in fields:
        checked["rate"] = rules.parse_decimal(
            fields["rate"], 4, "Please give a rate with at most four decimals, such as 1.5."
        )
        if not 0 <= checked["rate"] <= RATE_MAX:
            raise BadInputError(f"Please give a rate between 0 and {RATE_MAX}.")
    if fields.get("rounding", "down") not in rules.ROUNDINGS:
        raise BadInputError("Please choose how to round: down, nearest or up.")
    if fields.get("clawback", "debt") not in rules.POLICIES:
        raise BadInputError("Please choose what happens on a refund.")
    if fields.get("returns", "goods") not in rules.RETURNS:
        raise BadInputError("Please choose what a return counts by.")
    if "order_terms" in fields:
        terms_ = order_terms.checked(fields["order_terms"])
        checked["order_terms"] = order_terms.written(terms_)
    if "pending_days" in fields:
        checked["pending_days"] = _days(fields["pending_days"], 0)
    if "expiry_days" in fields:
        days = fields["expiry_days"]
        checked["expiry_days"] = None if days in {None, ""} else _days(days, 1)
    return checked


def _days(value: Any, least: int) -> int:
    text = str(value).strip()
    if text.isascii() and text.isdigit() and least <= int(text[:9]) <= DAYS_MAX:
        return int(text)
    raise BadInputError(f"Please give whole days from {least} to {DAYS_MAX}.")
