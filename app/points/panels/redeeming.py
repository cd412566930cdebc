"""A shopper spends points: held at once, the code within the shopper's patience or soon after."""

from typing import Annotated, Any, Literal

import msgspec
from asyncpg.exceptions import InterfaceError, InternalClientError, PostgresError
from starlette.requests import Request
from tortoise.exceptions import BaseORMException

from app import rooms
from app.db import Stores
from app.errors import (
    BadInputError,
    HoldfastError,
    RefusedError,
    UnauthorizedError,
    UnavailableError,
)
from app.flags import evaluation, known
from app.points.members import reads
from app.points.panels import balance
from app.points.rewards import actions, redemption
from app.points.rewards.problems import COST_MAX
from app.points.views import Balance, RedemptionView
from app.resilience import limits
from app.resilience.guard import Resource, guard, is_callers_fault
from app.resilience.reading import Reading, live
from app.telemetry import logs, product, traces
from app.web.api import Caller, TooOftenError, read_body

AWAY = (
    "Your points cannot be used at this moment. They are safe; please try again in a few minutes."
)
CLOSED = "Points cannot be used just now. They are safe; please come back a little later."
# Far above what a person does, low enough that a loop in a browser cannot keep the database busy.
CUSTOMER_PER_SECOND, CUSTOMER_BURST = 20.0, 40
SHOP_PER_SECOND, SHOP_BURST = 100.0, 400
# InternalClientError: Postgres was killed while a connection went back to the pool
DATABASE_AWAY = (
    UnavailableError,
    OSError,
    PostgresError,
    InterfaceError,
    InternalClientError,
    BaseORMException,
)
HOLDS = Resource("redemption hold", room=rooms.HOLDS, by_shop=True)
# Shopify's app proxy and the shopper's patience both end at about 5 s
COMPLETIONS = Resource("redemption complete", room=rooms.COMPLETIONS, by_shop=True)
log = logs.logger()


class Ask(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a redemption; the key is the shopper's own, one an intended redemption."""

    reward_id: Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{1,18}\Z")]
    idempotency_key: Annotated[
        str, msgspec.Meta(min_length=8, max_length=128, pattern=r"\A[!-~]+\Z")
    ]
    # how many, for a reward of which the shopper chooses that
    points: Annotated[int, msgspec.Meta(ge=1, le=COST_MAX)] | None = None


async def redeem(request: Request, caller: Caller) -> tuple[int, dict[str, Any]]:
    """Hold the points and get the code: 200 with it, 202 while it is being prepared, 422 when
    it came to nothing.
    """
    if caller.customer_id is None:
        raise UnauthorizedError("Please sign in to use your points.", code="sign_in")
    if not evaluation.is_on(known.REDEEMING, caller.shop):
        raise UnavailableError(CLOSED, code="redeeming_closed")
    stores: Stores = request.state.stores
    same_origin(request)
    ask = _ask(await read_body(request))
    await _take(stores, caller.shop, caller.customer_id)
    held = await _hold(stores, caller.shop, caller.customer_id, ask)
    view = await _complete(request, held) if held.state == "held" else held
    body = {"redemption": balance.redemption(view, message=view.message)}
    body["points"] = points(await balance_after(stores, caller.shop, caller.customer_id))
    if view.state == "released":
        return RefusedError.status, {"error": {"code": "refused", "message": view.message}, **body}
    if held.state == "held":  # not when it is only asked for again
        state: Literal["held", "captured"] = "held" if view.state == "held" else "captured"
        product.track(product.RewardRedeemed(view.points, state), caller.shop, stores.config)
    return (202 if view.state == "held" else 200), body


def points(reading: Reading[Balance]) -> dict[str, Any]:
    """The figures of a balance, with what is owed and the number of the newest movement: a wish
    for a reward names it, so that two open widgets ask for the same redemption.
    """
    found = reading.value
    owed, sequence = (found.debt, found.sequence) if found else (0, None)
    return {**balance.points(reading), "debt": owed, "sequence": sequence}


def same_origin(request: Request) -> None:
    """Another site's page can make a browser post forms and plain text to the shop's proxy, but no
    JSON: for that the browser asks the shop first. (An extension's token cannot be sent unasked at
    all.)
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and "authorization" not in request.headers:
        raise BadInputError("Please send JSON, with the Content-Type application/json.")


def _ask(body: bytes) -> Ask:
    try:
        return msgspec.json.decode(body, type=Ask)
    except msgspec.ValidationError as error:
        raise BadInputError(f"The request has another shape than expected: {error}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadInputError("The request is not JSON.") from None


async def _take(stores: Stores, shop: str, customer_id: str) -> None:
    customer = await limits.take(
        stores.cache,
        "redemptions_customer",
        f"{{{shop}}}:{customer_id}",
        rate_per_second=CUSTOMER_PER_SECOND,
        burst=CUSTOMER_BURST,
    )
    allowance = customer
    if customer.is_allowed:
        allowance = await limits.take(
            stores.cache,
            "redemptions_shop",
            f"{{{shop}}}",
            rate_per_second=SHOP_PER_SECOND,
            burst=SHOP_BURST,
        )
    if not allowance.is_allowed:
        raise TooOftenError(allowance.retry_after_seconds)


async def _hold(stores: Stores, shop: str, customer_id: str, ask: Ask) -> RedemptionView:
    try:
        return await guard(
            HOLDS,
            lambda: actions.redeem(
                shop,
                customer_id,
                ask.reward_id,
                ask.idempotency_key,
                traces.carrier(),
                stores,
                ask.points,
            ),
            subject=customer_id,
        )
    except DATABASE_AWAY as error:
        if is_callers_fault(error):
            raise
        # it may have been held all the same: the widget asks again with the same key and gets that
        # redemption
        raise UnavailableError(AWAY) from error


async def _complete(request: Request, held: RedemptionView) -> RedemptionView:
    """Get the code now when Shopify is quick; else the points worker goes on with what is due
    in its table.
    """
    try:
        return await guard(
            COMPLETIONS,
            lambda: redemption.complete(request.state.stores, request.state.client, held.id),
        )
    except (*DATABASE_AWAY, HoldfastError) as error:
        log.warning(
            "redemption goes on in the worker", redemption_id=held.id, reason=type(error).__name__
        )
        return held


async def balance_after(stores: Stores, shop: str, customer_id: str) -> Reading[Balance]:
    """The balance after a change, past the cache: that may have missed the change, and would
    say it is current.
    """
    try:
        found = await guard(balance.READS, lambda: reads.balance(shop, customer_id))
    except DATABASE_AWAY:
        return (await reads.balance_reading(stores, shop, customer_id)).older()
    return await balance.marked(stores, shop, live(found, found.as_of))
