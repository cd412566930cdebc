"""The shopper's API: balance, rewards and redemptions, for the widget (app proxy) and for
checkout extensions.
"""

import time
from typing import Annotated, Any

import msgspec
import structlog
from asyncpg.exceptions import InterfaceError, InternalClientError, PostgresError
from starlette.requests import Request
from starlette.routing import BaseRoute, Route
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
from app.flow.lanes import backlog
from app.points.members import reads
from app.points.rewards import actions, redemption
from app.points.views import Balance, RedemptionView
from app.resilience import cache, health, limits
from app.resilience.guard import Resource, guard, is_callers_fault
from app.resilience.memory import Memory
from app.resilience.reading import Reading, live
from app.services import way_to
from app.shopify import verify
from app.telemetry import logs
from app.web.api import Caller, Door, TooOftenError, read_body

BEHIND = "Updates are on their way."
AWAY = (
    "Your points cannot be used at this moment. They are safe; please try again in a few minutes."
)
NO_LINK_YET = "Referral links are not offered yet. They come later."
NOBODY = {"available": 0, "pending": 0, "held": 0, "as_of": None, "source": "unavailable"}
SHELF_MEMORY_SECONDS = 2.0  # an edited reward shows after this and SHELF_FRESH_SECONDS at most
SHELF_FRESH_SECONDS = 5.0
MEMORY_ENTRIES_MAX = 4_096
ROAD = way_to("points")  # the parts between an order and its points
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
READS = Resource("storefront reads", room=rooms.STOREFRONT, by_shop=True)
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


def by_proxy(request: Request) -> Caller:
    """Proof of `/storefront/*`: the app proxy's signature over the raw query (platform.md §3.2)."""
    query: bytes = request.scope["query_string"]
    return verify.verify_proxy(query, request.state.stores.config.api_secrets, time.time())


def by_token(request: Request) -> Caller:
    """Proof of `/checkout/*`: the session token of the extension (platform.md §9.3)."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise UnauthorizedError("The session token is missing.")
    return verify.decode_extension_token(token, request.state.stores.config)


async def me(request: Request, caller: Caller) -> tuple[int, dict[str, Any]]:
    """What a shopper sees (DESIGN §5 `me`); somebody not signed in gets the offer only, never a
    balance.
    """
    stores: Stores = request.state.stores
    shelf = await _shelf(stores, caller.shop)
    body = {
        "customer_id": caller.customer_id,
        "points": NOBODY,
        "tier": None,
        **shelf,
        "referral": {"url": None, "status": "unavailable"},
        "notices": [],
        "redemptions": [],
    }
    if caller.customer_id is not None:
        reading = await _balance(stores, caller.shop, caller.customer_id)
        body["points"] = _points(reading)
        body["notices"] = await _notices(stores, caller.shop, reading)
        body["redemptions"] = await _redemptions(
            stores, caller.shop, caller.customer_id, reading.value
        )
    return 200, body


async def redeem(request: Request, caller: Caller) -> tuple[int, dict[str, Any]]:
    """Hold the points and get the code: 200 with it, 202 while it is being prepared, 422 when
    it came to nothing.
    """
    if caller.customer_id is None:
        raise UnauthorizedError("Please sign in to use your points.", code="sign_in")
    stores: Stores = request.state.stores
    _same_origin(request)
    ask = _ask(await read_body(request))
    await _take(stores, caller.shop, caller.customer_id)
    held = await _hold(stores, caller.shop, caller.customer_id, ask)
    view = await _complete(request, held) if held.state == "held" else held
    body = {"redemption": _redemption(view, message=view.message)}
    body["points"] = _points(await _balance_after(stores, caller.shop, caller.customer_id))
    if view.state == "released":
        return RefusedError.status, {"error": {"code": "refused", "message": view.message}, **body}
    return (202 if view.state == "held" else 200), body


async def referral_link(_request: Request, _caller: Caller) -> tuple[int, dict[str, Any]]:
    raise UnavailableError(NO_LINK_YET)


def _same_origin(request: Request) -> None:
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
        f"{shop}:{customer_id}",
        rate_per_second=CUSTOMER_PER_SECOND,
        burst=CUSTOMER_BURST,
    )
    allowance = customer
    if customer.is_allowed:
        allowance = await limits.take(
            stores.cache,
            "redemptions_shop",
            shop,
            rate_per_second=SHOP_PER_SECOND,
            burst=SHOP_BURST,
        )
    if not allowance.is_allowed:
        raise TooOftenError(allowance.retry_after_seconds)


async def _hold(stores: Stores, shop: str, customer_id: str, ask: Ask) -> RedemptionView:
    request_id = str(structlog.contextvars.get_contextvars().get("request_id", ""))
    try:
        return await guard(
            HOLDS,
            lambda: actions.redeem(
                shop, customer_id, ask.reward_id, ask.idempotency_key, request_id, stores
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


async def _balance(stores: Stores, shop: str, customer_id: str) -> Reading[Balance]:
    """The balance, marked as old when a part on an order's way to its points is down or late,
    whatever the cache says.
    """
    return await _marked(stores, shop, await reads.balance_reading(stores, shop, customer_id))


async def _balance_after(stores: Stores, shop: str, customer_id: str) -> Reading[Balance]:
    """The balance after a change, past the cache: that may have missed the change, and would
    say it is current.
    """
    try:
        balance = await guard(READS, lambda: reads.balance(shop, customer_id))
    except DATABASE_AWAY:
        return (await reads.balance_reading(stores, shop, customer_id)).older()
    return await _marked(stores, shop, live(balance, balance.as_of))


async def _marked(stores: Stores, shop: str, reading: Reading[Balance]) -> Reading[Balance]:
    """Old while a part on the way to points is behind, or while this shop's own webhooks wait."""
    if reading.value is None or reading.as_of is None:
        return reading
    board = await health.board(stores.queue)
    late = [name for name in ROAD if health.service_notice(board, name) != "healthy"]
    behind_since = (await backlog.remembered(stores, shop)).behind_since
    if not late and behind_since is None:
        return reading
    caught_up = [board[name].caught_up_at for name in late]
    moments = [at for at in (reading.as_of, behind_since, *caught_up) if at is not None]
    return Reading(reading.value, min(moments), "cached")


async def _notices(stores: Stores, shop: str, reading: Reading[Balance]) -> list[str]:
    if reading.is_live:
        return []
    waiting = await backlog.remembered(stores, shop)
    if waiting.behind_since is None:
        return [BEHIND]
    return [BEHIND, f"{waiting.waiting:,} updates of this shop are waiting."]


def _points(reading: Reading[Balance]) -> dict[str, Any]:
    balance = reading.value
    if balance is None:
        return NOBODY
    return {
        "available": balance.available,
        "pending": balance.pending,
        "held": balance.held,
        "as_of": reading.as_of,
        "source": reading.source,
    }


def _redemption(view: RedemptionView, **more: str) -> dict[str, Any]:
    return {
        "id": view.id,
        "state": view.state,
        "code": view.code,
        "title": view.title,
        "points": view.points,
        **more,
    }


async def _redemptions(
    stores: Stores, shop: str, customer_id: str, balance: Balance | None
) -> list[dict[str, Any]]:
    """The newest redemptions. Each of their changes moves points, so that a list is right as
    long as the balance's sequence is: it is remembered here and in the cache under that number,
    and costs the warm path nothing.
    """
    remembered = _lists.get((shop, customer_id))
    if balance is None or (remembered and remembered[0] == balance.sequence):
        return remembered[1] if remembered else []
    if balance.sequence == 0:
        return []

    async def load() -> list[dict[str, Any]]:
        return [_redemption(view) for view in await reads.redemptions(shop, customer_id)]

    key = f"cache:redemptions:{shop}:{customer_id}:{balance.sequence}"
    reading: Reading[list[dict[str, Any]]] = await cache.read_through(
        stores.cache, key, load, READS, fresh_seconds=cache.KEEP_SECONDS
    )
    if reading.value is None:
        return remembered[1] if remembered else []
    _lists.put((shop, customer_id), (balance.sequence, reading.value))
    return reading.value


async def _shelf(stores: Stores, shop: str) -> dict[str, Any]:
    """What a shop offers, the same for all its shoppers: rewards and ways to earn."""
    remembered = _shelves.get(shop)
    if remembered and time.monotonic() - remembered[0] < SHELF_MEMORY_SECONDS:
        return remembered[1]

    async def load() -> dict[str, Any]:
        program = await reads.program(shop)
        rewards = await reads.rewards(shop, active_only=True)
        return {
            "rewards": [
                {
                    "id": reward.id,
                    "title": reward.title,
                    "cost": reward.cost,
                    "amount_off": str(reward.amount_off),
                    "currency": program.currency,
                }
                for reward in rewards
            ],
            "ways_to_earn": [
                {
                    "kind": "order",
                    "points": f"{program.rate.normalize():f}",
                    "per": "1",
                    "currency": program.currency,
                    "pending_days": program.pending_days,
                }
            ],
        }

    reading: Reading[dict[str, Any]] = await cache.read_through(
        stores.cache, f"cache:shelf:{shop}", load, READS, fresh_seconds=SHELF_FRESH_SECONDS
    )
    shelf = reading.value or {"rewards": [], "ways_to_earn": []}
    _shelves.put(shop, (time.monotonic(), shelf))
    return shelf


def forget() -> None:
    """Drop what this process remembers (for tests)."""
    _lists.clear()
    _shelves.clear()


_lists: Memory[tuple[str, str], tuple[int, list[dict[str, Any]]]] = Memory(MEMORY_ENTRIES_MAX)
_shelves: Memory[str, tuple[float, dict[str, Any]]] = Memory(MEMORY_ENTRIES_MAX)


routes: list[BaseRoute] = [
    Route("/storefront/me", Door(by_proxy, {"GET": me}), name="storefront_me"),
    Route(
        "/storefront/redemptions", Door(by_proxy, {"POST": redeem}), name="storefront_redemptions"
    ),
    Route(
        "/storefront/referral-link",
        Door(by_proxy, {"POST": referral_link}),
        name="storefront_referral_link",
    ),
    Route("/checkout/me", Door(by_token, {"GET": me}, is_open=True), name="checkout_me"),
    Route(
        "/checkout/redemptions",
        Door(by_token, {"POST": redeem}, is_open=True),
        name="checkout_redemptions",
    ),
]
