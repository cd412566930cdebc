"""How a shopper earns: the ways as this shopper sees them, saying a birthday, following a
network.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import msgspec
from starlette.requests import Request

from app.db import Stores
from app.errors import BadInputError, UnauthorizedError, UnavailableError
from app.points.outside import calls
from app.points.outside.calls import TELLS
from app.points.panels import redeeming
from app.points.panels.redeeming import DATABASE_AWAY
from app.points.views import Had, Program
from app.points.ways import birthdays, reads
from app.points.ways.reads import WayView
from app.resilience import limits
from app.resilience.guard import guard, is_callers_fault
from app.web.api import Caller, TooOftenError, read_body

T = TypeVar("T")
AWAY = "This cannot be done at this moment. Please try again in a few minutes."
# far above what a person does
CUSTOMER_PER_SECOND, CUSTOMER_BURST = 2.0, 20
SHOP_PER_SECOND, SHOP_BURST = 100.0, 400


class SaidBirthday(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a birthday: MM-DD, or YYYY-MM-DD, whose year is not kept."""

    month_day: Annotated[str, msgspec.Meta(max_length=20)]


class Followed(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a way that is taken on trust, by its id in `ways_to_earn`."""

    id: Annotated[str, msgspec.Meta(max_length=20)]


def offered(program: Program, ways: Sequence[WayView]) -> list[dict[str, Any]]:
    """The ways to earn as everybody sees them, without anybody's state."""
    order = {
        "kind": "order",
        "id": "order",
        "title": "Place an order",
        "points": f"{program.rate.normalize():f}",
        "per": "1",
        "times": None,
        "currency": program.currency,
        "url": None,
        "pending_days": program.pending_days,
    }
    return [order, *reads.offer(list(ways))]


def mine(shelf: Mapping[str, Any], had: object, *, is_signed_in: bool) -> dict[str, Any]:
    """`ways_to_earn` with what this shopper did of them, and `birthday`; `had` is what the account
    says of it, None where nothing is known.
    """
    timezone, now = shelf.get("time_zone", "UTC"), datetime.now(UTC)
    found = msgspec.convert(had, Had) if had else Had()
    ways: list[dict[str, Any]] = shelf["ways_to_earn"]
    is_asked = is_signed_in and any(one["kind"] == "birthday" for one in ways)
    return {
        "ways_to_earn": reads.with_state(ways, found if is_signed_in else None, timezone, now),
        "birthday": reads.birthday(found, timezone, now) if is_asked else None,
    }


async def say_birthday(request: Request, caller: Caller) -> tuple[int, dict[str, Any]]:
    """Note a birthday; 200 with how it stands and what is in the account now."""
    customer_id = await _allowed(request, caller)
    said = await _body(request, SaidBirthday)
    stores: Stores = request.state.stores
    shop = caller.shop
    view = await _done(
        lambda: birthdays.say(shop, customer_id, said.month_day, stores), customer_id
    )
    again = view.editable_from.isoformat() if view.editable_from else None
    told = {"month_day": view.month_day, "can_edit": view.can_edit, "editable_from": again}
    return 200, {
        "birthday": told,
        "points": redeeming.points(await redeeming.balance_after(stores, caller.shop, customer_id)),
    }


async def follow(request: Request, caller: Caller) -> tuple[int, dict[str, Any]]:
    """Take a shopper's word that they follow: 200 with what it gave, also when it did before."""
    customer_id = await _allowed(request, caller)
    asked = await _body(request, Followed)
    stores: Stores = request.state.stores
    shop = caller.shop
    given = await _done(lambda: calls.honour(shop, customer_id, asked.id, stores), customer_id)
    return 200, {
        "way": {
            "id": str(given.way.id),
            "outcome": given.outcome,
            "points": given.points,
            "message": given.message,
        },
        "points": redeeming.points(await redeeming.balance_after(stores, caller.shop, customer_id)),
    }


async def _allowed(request: Request, caller: Caller) -> str:
    """The shopper who asks, no oftener than people do. Raises UnauthorizedError, BadInputError for
    what another site's page could have sent, TooOftenError.
    """
    if caller.customer_id is None:
        raise UnauthorizedError("Please sign in first.", code="sign_in")
    redeeming.same_origin(request)
    cache = request.state.stores.cache
    subject = f"{{{caller.shop}}}"
    allowance = await limits.take(
        cache,
        "ways_customer",
        f"{subject}:{caller.customer_id}",
        rate_per_second=CUSTOMER_PER_SECOND,
        burst=CUSTOMER_BURST,
    )
    if allowance.is_allowed:
        allowance = await limits.take(
            cache, "ways_shop", subject, rate_per_second=SHOP_PER_SECOND, burst=SHOP_BURST
        )
    if not allowance.is_allowed:
        raise TooOftenError(allowance.retry_after_seconds)
    return caller.customer_id


async def _body(request: Request, kind: type[T]) -> T:
    body = await read_body(request)
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise BadInputError(f"The request has another shape than expected: {error}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadInputError("The request is not JSON.") from None


async def _done(work: Callable[[], Awaitable[T]], customer_id: str) -> T:
    """What `work` came to, under the guard of wishes. Raises UnavailableError when the database is
    away.
    """
    try:
        return await guard(TELLS, work, subject=customer_id)
    except DATABASE_AWAY as error:
        if is_callers_fault(error):
            raise
        raise UnavailableError(AWAY) from error
