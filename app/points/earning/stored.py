"""How grants are stored: their columns, and what is read and written of them."""

from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from app.db import Row
from app.points.earning import rules
from app.points.earning.grant import Grant
from app.points.earning.rules import Frozen, Given, Known

SELECT_GRANTS = """
SELECT found.shop, found.source, found.name, found.member_id, found.outcome, found.points,
       found.reversed_points, found.revision, found.frozen, found.known, found.bonuses
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
    "bonuses": "text",
    "created_at": "timestamptz",
}
CHANGED = {name: kind for name, kind in GRANT.items() if name not in {"kind", "created_at"}}
UPDATE_GRANTS = """
UPDATE grants SET name = changed.name, member_id = changed.member_id, outcome = changed.outcome,
                  rule_version = changed.rule_version, frozen = changed.frozen,
                  known = changed.known, points = changed.points,
                  reversed_points = changed.reversed_points, revision = changed.revision,
                  bonuses = changed.bonuses,
                  forgiven = grants.forgiven + changed.forgiven,
                  unmet = grants.unmet + changed.unmet, lapsed = grants.lapsed + changed.lapsed
  FROM {changed} WHERE grants.shop = changed.shop AND grants.source = changed.source
"""


def from_row(row: Row) -> Grant:
    """A Grant from a row of `grants`."""
    grant = Grant(row["shop"], row["source"].partition(":")[2])
    grant.name, grant.member_id, grant.outcome = row["name"], row["member_id"], row["outcome"]
    grant.known = _known.decode(row["known"])
    if row["frozen"]:
        grant.frozen, grant.rate_units = _read_rule(row["frozen"])
    grant.points, grant.reversed_points = row["points"], row["reversed_points"]
    grant.revision, grant.is_new = row["revision"], False
    if given := row.get("bonuses"):
        grant.given = _given.decode(given)
    return grant


def _rule(grant: Grant) -> str:
    """Its frozen rule as it is stored."""
    frozen = grant.frozen
    if frozen is None:
        return ""
    if grant.text is not None and grant.text[0] is frozen and grant.text[1]:
        return grant.text[1]
    return _encoded(frozen) if frozen.is_plain else _encode(frozen).decode()


@lru_cache(maxsize=1024)  # as many as there are rules in use
def _encoded(frozen: Frozen) -> str:
    return _encode(frozen).decode()


@lru_cache(maxsize=1024)  # most orders of a shop froze one of a few
def _read_rule(told: str) -> tuple[Frozen, int]:
    """A frozen rule and its rate, in ten-thousandths."""
    frozen = _frozen.decode(told)
    return frozen, rules.rate_units(Decimal(frozen.rate))


_encode = msgspec.json.Encoder(order="deterministic").encode
_given = msgspec.json.Decoder(Given)
_known = msgspec.json.Decoder(Known)
_frozen = msgspec.json.Decoder(Frozen)


def record(grant: Grant, now: datetime) -> tuple[Any, ...]:
    """A new one, as the columns of GRANT."""
    return (
        grant.shop,
        "order",
        grant.source,
        grant.name,
        grant.member_id,
        grant.outcome,
        grant.frozen.rule if grant.frozen else 0,
        _rule(grant),
        _encode(grant.known).decode(),
        grant.points,
        grant.reversed_points,
        grant.forgiven,
        grant.unmet,
        0,
        grant.revision,
        _gave(grant),
        now,
    )


def changed(grant: Grant) -> tuple[Any, ...]:
    """As the columns of CHANGED. What time and rewards change meanwhile of a grant that moves
    nothing is left to them.
    """
    forgiven, unmet, lapsed = grant.left
    return (
        grant.shop,
        grant.source,
        grant.name,
        grant.member_id,
        grant.outcome,
        grant.frozen.rule if grant.frozen else 0,
        _rule(grant),
        _encode(grant.known).decode(),
        grant.points,
        grant.reversed_points,
        grant.forgiven - forgiven,
        grant.unmet - unmet,
        grant.lapsed - lapsed,
        grant.revision,
        _gave(grant),
    )


def _gave(grant: Grant) -> str:
    given = grant.given
    return msgspec.json.encode(given).decode() if given.shares or any(given.goals.values()) else ""
