"""What changes points at someone's wish: redeem, adjust, edit the programme and its rewards."""

from decimal import Decimal
from typing import Any

from app.db import Stores
from app.points.views import Balance, Program, RedemptionView, RewardView


async def redeem(
    shop: str, customer_id: str, reward_id: str, idempotency_key: str, request_id: str, stores: Stores | None = None
) -> RedemptionView:
    """Hold the points of a reward, all or nothing; `redemption.complete` gets the code. `stores` updates the cache.

    The same key with the same reward gives the same redemption again.
    Raises BadInputError, NotFoundError (reward), ConflictError (key used otherwise), RefusedError
    (code `insufficient_points`).
    """
    raise NotImplementedError


async def adjust(
    shop: str, customer_id: str, points: int, reason: str, key: str, by: str, stores: Stores | None = None
) -> Balance:
    """Give (or with negative `points` take) points, with a reason of 1..500 characters.

    Raises BadInputError, NotFoundError (no such member), ConflictError (key used otherwise), RefusedError
    (more than is available).
    """
    raise NotImplementedError


async def ensure_program(shop: str, currency: str, timezone: str) -> Program:
    """The shop's programme, made with its default rewards when there is none."""
    raise NotImplementedError


async def edit_program(shop: str, fields: dict[str, Any], by: str) -> Program:
    """A new version with `fields` changed: rate, rounding, pending_days, expiry_days, clawback (text or typed).

    Raises BadInputError with the sentence to show beside the form.
    """
    raise NotImplementedError


async def save_reward(
    shop: str, reward_id: str | None, title: str, cost: int, amount_off: Decimal | str, is_active: bool
) -> RewardView:
    """Make (`reward_id` None) or change a reward. Raises BadInputError, NotFoundError."""
    raise NotImplementedError
