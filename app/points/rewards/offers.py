"""What merchants do with rewards: make one, change it, take it out of the storefront."""

import re
from decimal import Decimal
from typing import Any

from app import db, text
from app.db import Connection, Row
from app.errors import BadInputError, ConflictError, NotFoundError
from app.points.earning import rules
from app.points.ledger.keys import checked_key
from app.points.views import RewardView

COST_MAX = 10_000_000
AMOUNT_MAX = 100_000
TITLE_LENGTH_MAX = 120
NO_SUCH = "There is no such reward in this shop."
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_COLUMNS = "id::text AS id, title, cost, amount_off, is_active, version"
INSERT = f"""
INSERT INTO rewards (shop, title, cost, amount_off, is_active, version, idempotency_key, updated_at)
VALUES ($1, $2, $3, $4, $5, 1, $6, now())
ON CONFLICT (shop, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
RETURNING {_COLUMNS}
"""
SELECT_BY_KEY = f"SELECT {_COLUMNS} FROM rewards WHERE shop = $1 AND idempotency_key = $2"
LOCK = f"SELECT {_COLUMNS} FROM rewards WHERE shop = $1 AND id = $2 FOR UPDATE"
UPDATE = f"""
UPDATE rewards SET title = $3, cost = $4, amount_off = $5, is_active = $6, version = version + 1,
                   updated_at = now()
 WHERE shop = $1 AND id = $2
RETURNING {_COLUMNS}
"""


class StaleRewardError(ConflictError):
    """Somebody else changed this reward meanwhile: `current` is how it stands."""

    code = "stale"

    def __init__(self, current: RewardView) -> None:
        super().__init__(
            "Somebody else changed this reward meanwhile. Nothing of yours was saved yet."
        )
        self.current = current


def problems(title: str, cost: int | None, amount_off: Decimal | None) -> dict[str, str]:
    """What is wrong with a reward, by field, as sentences; None is what was no number."""
    found = {}
    if not 1 <= len(title) <= TITLE_LENGTH_MAX:
        found["title"] = (
            f"Please give a name of at most {TITLE_LENGTH_MAX} characters; shoppers see it."
        )
    if cost is None or not 1 <= cost <= COST_MAX:
        found["cost"] = f"Please give a whole number of points, at least 1 and up to {COST_MAX:,}."
    if amount_off is None or not 0 < amount_off <= AMOUNT_MAX:
        found["amount_off"] = f"Please give an amount above 0 and up to {AMOUNT_MAX:,}."
    return found


async def save_reward(
    shop: str,
    reward_id: str | None,
    title: str,
    cost: int,
    amount_off: Decimal | str,
    is_active: bool | None = None,
    *,
    key: str | None = None,
    seen_version: int | None = None,
) -> RewardView:
    """Make (`reward_id` None) or change a reward; `is_active` None: on when new, else as it is.

    The same `key` makes one reward. Raises BadInputError, NotFoundError, StaleRewardError when it
    is no longer the `seen_version`, and ConflictError for a key used otherwise.
    """
    title = text.clean(title, TITLE_LENGTH_MAX + 1).strip()
    amount = rules.parse_decimal(amount_off, 2, "Please give an amount such as 5.00.")
    if wrong := problems(title, cost, amount):
        raise BadInputError(next(iter(wrong.values())))
    wanted = (title, cost, amount)
    async with db.transaction() as conn:
        if reward_id is None:
            key = checked_key(key) if key is not None else None
            return await _make(conn, shop, wanted, key, is_active=is_active is not False)
        current = await _current(conn, shop, reward_id)
        is_active = current.is_active if is_active is None else is_active
        if (current.title, current.cost, current.amount_off, current.is_active) == (
            *wanted,
            is_active,
        ):
            return current
        if seen_version not in {None, current.version}:
            raise StaleRewardError(current)
        return _view(await conn.fetchrow(UPDATE, shop, int(reward_id), *wanted, is_active))


async def switch_reward(shop: str, reward_id: str, *, is_active: bool) -> RewardView:
    """Put a reward into the storefront or take it out, whatever else of it was changed. Asking
    again changes nothing. Raises NotFoundError.
    """
    async with db.transaction() as conn:
        current = await _current(conn, shop, reward_id)
        if current.is_active == is_active:
            return current
        wanted = current.title, current.cost, current.amount_off
        return _view(await conn.fetchrow(UPDATE, shop, int(reward_id), *wanted, is_active))


async def _make(
    conn: Connection,
    shop: str,
    wanted: tuple[str, int, Decimal],
    key: str | None,
    *,
    is_active: bool,
) -> RewardView:
    row = await conn.fetchrow(INSERT, shop, *wanted, is_active, key)
    if row is None:
        made = _view(await conn.fetchrow(SELECT_BY_KEY, shop, key))
        if (made.title, made.cost, made.amount_off) != wanted:
            raise ConflictError(
                f"This form has made the reward “{made.title}” already. To make another one, "
                "reload the page."
            )
        return made
    return _view(row)


async def _current(conn: Connection, shop: str, reward_id: str) -> RewardView:
    found = _NUMBER.fullmatch(reward_id)
    row = await conn.fetchrow(LOCK, shop, int(reward_id)) if found else None
    if row is None:
        raise NotFoundError(NO_SUCH)
    return _view(row)


def _view(row: Row | None) -> RewardView:
    assert row is not None
    fields: dict[str, Any] = dict(row)
    return RewardView(**fields)
