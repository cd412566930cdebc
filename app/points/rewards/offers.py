"""What merchants do with rewards: make one, change it, copy it, take it out of the storefront."""

import re
from decimal import Decimal
from typing import Any

import msgspec

from app import db, text
from app.db import Connection, Row
from app.errors import BadInputError, ConflictError, NotFoundError
from app.points.earning import rules as earning
from app.points.ledger.keys import checked_key
from app.points.rewards import reads, who
from app.points.rewards.problems import TITLE_LENGTH_MAX, problems
from app.points.rewards.reads import REWARD_COLUMNS as _COLUMNS
from app.points.rewards.rules import Details, Wanted
from app.points.views import NO_DETAILS, RewardView

REWARDS_MAX = 200  # of a shop
NO_SUCH = "There is no such reward in this shop."
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
INSERT = f"""
INSERT INTO rewards (shop, title, cost, amount_off, is_active, kind, details, version,
                     idempotency_key, updated_at)
SELECT $1::text, $2, $3, $4, $5, $6, $7, 1, $8, now()
 WHERE (SELECT count(*) FROM rewards WHERE shop = $1::text) < {REWARDS_MAX}
ON CONFLICT (shop, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
RETURNING {_COLUMNS}
"""
SELECT_BY_KEY = f"SELECT {_COLUMNS} FROM rewards WHERE shop = $1 AND idempotency_key = $2"
LOCK = f"SELECT {_COLUMNS} FROM rewards WHERE shop = $1 AND rewards.id = $2 FOR UPDATE"
UPDATE = f"""
UPDATE rewards SET title = $3, cost = $4, amount_off = $5, is_active = $6, kind = $7, details = $8,
                   version = version + 1, updated_at = now()
 WHERE shop = $1 AND rewards.id = $2
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


async def save_reward(
    shop: str,
    reward_id: str | None,
    title: str,
    cost: int,
    amount_off: Decimal | str = "0",
    is_active: bool | None = None,
    *,
    kind: str = "amount_off",
    details: Details = NO_DETAILS,
    key: str | None = None,
    seen_version: int | None = None,
) -> RewardView:
    """Make (`reward_id` None) or change a reward; `is_active` None: on when new, else as it is. The
    cost of one whose points are chosen is the least.

    The same `key` makes one reward. Raises BadInputError, NotFoundError, StaleRewardError when it
    is no longer the `seen_version`, and ConflictError for a key used otherwise.
    """
    title = text.clean(title, TITLE_LENGTH_MAX + 1).strip()
    amount = earning.parse_decimal(amount_off, 2, "Please give an amount such as 5.00.")
    wanted = Wanted(title, kind, details.choose.least if details.choose else cost, amount, details)
    async with db.transaction() as conn:
        offered = await who.offered(conn, shop)
        if wrong := problems(wanted, offered):
            raise BadInputError(next(iter(wrong.values())))
        if reward_id is None:
            key = checked_key(key) if key is not None else None
            return await _make(conn, shop, wanted, key, is_active=is_active is not False)
        current = await _current(conn, shop, reward_id)
        is_active = current.is_active if is_active is None else is_active
        if (_wanted(current), current.is_active) == (wanted, is_active):
            return current
        if seen_version not in {None, current.version}:
            raise StaleRewardError(current)
        return await _update(conn, shop, current, wanted, is_active=is_active)


async def switch_reward(shop: str, reward_id: str, *, is_active: bool) -> RewardView:
    """Put a reward into the storefront or take it out, whatever else of it was changed. Asking
    again changes nothing. Raises NotFoundError.
    """
    async with db.transaction() as conn:
        current = await _current(conn, shop, reward_id)
        if current.is_active == is_active:
            return current
        return await _update(conn, shop, current, _wanted(current), is_active=is_active)


async def copy_reward(shop: str, reward_id: str, key: str) -> RewardView:
    """Another reward with the same contents, switched off; the same `key` makes one. Raises
    NotFoundError, and ConflictError for more than REWARDS_MAX.
    """
    async with db.transaction() as conn:
        current = await _current(conn, shop, reward_id)
        title = f"{current.title[: TITLE_LENGTH_MAX - 7]} (copy)"
        wanted = _wanted(current)._replace(title=title)
        return await _make(conn, shop, wanted, checked_key(key), is_active=False)


async def _make(
    conn: Connection, shop: str, wanted: Wanted, key: str | None, *, is_active: bool
) -> RewardView:
    row = await conn.fetchrow(INSERT, shop, *_values(wanted, is_active=is_active), key)
    if row is not None:
        return reads.reward_view(row)
    earlier = await conn.fetchrow(SELECT_BY_KEY, shop, key)
    if earlier is None:
        raise ConflictError(
            f"A shop can have {REWARDS_MAX} rewards. Please change one that is switched off."
        )
    made = reads.reward_view(earlier)
    if _wanted(made) != wanted:
        raise ConflictError(
            f"This form has made the reward “{made.title}” already. To make another one, reload "
            "the page."
        )
    return made


async def _update(
    conn: Connection, shop: str, current: RewardView, wanted: Wanted, *, is_active: bool
) -> RewardView:
    values = _values(wanted, is_active=is_active)
    row = await conn.fetchrow(UPDATE, shop, int(current.id), *values)
    assert row is not None
    return reads.reward_view(row)


async def _current(conn: Connection, shop: str, reward_id: str) -> RewardView:
    found = _NUMBER.fullmatch(reward_id)
    row: Row | None = await conn.fetchrow(LOCK, shop, int(reward_id)) if found else None
    if row is None:
        raise NotFoundError(NO_SUCH)
    return reads.reward_view(row)


def _values(wanted: Wanted, *, is_active: bool) -> tuple[Any, ...]:
    """As statements here take them."""
    details = msgspec.json.encode(wanted.details).decode()
    return (wanted.title, wanted.cost, wanted.amount_off, is_active, wanted.kind, details)


def _wanted(reward: RewardView) -> Wanted:
    return Wanted(reward.title, reward.kind, reward.cost, reward.amount_off, reward.details)
