"""What a shop's own server and Shopify Flow call: `POST /api/v1/actions` and `/api/v1/birthdays`,
proven by the shop's key, and `POST /api/v1/flow/actions`, proven by Shopify's signature over the
body.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec
from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from app import cells
from app.errors import BadInputError, UnauthorizedError, UnavailableError
from app.points.ledger.keys import KEY_LENGTH_MAX
from app.points.outside import calls, keys
from app.points.outside.calls import TELLS
from app.points.panels.redeeming import DATABASE_AWAY
from app.resilience import limits
from app.resilience.guard import guard, is_callers_fault, on_behalf_of
from app.shopify import verify
from app.web.api import Caller, Door, TooOftenError, read_body

T = TypeVar("T")
AWAY = "This cannot be done at this moment. Please try again in a few minutes, with the same key."
# of one shop: a check-in of many customers at once, and no flood
SHOP_PER_SECOND, SHOP_BURST = 20.0, 100
ADDRESS_LENGTH_MAX = 64
Customer = Annotated[str, msgspec.Meta(max_length=64)] | int


class Ask(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a server's call."""

    action: Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
    customer_id: Customer


class Born(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a server's word about a birthday, with or without its year."""

    customer_id: Customer
    birthday: Annotated[str, msgspec.Meta(min_length=5, max_length=10)]


class Properties(msgspec.Struct):
    """The fields of the Flow action: which of ours, and for whom (`customer_id` is what Flow calls
    a customer reference).
    """

    action: Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
    customer_id: Customer


class FlowCall(msgspec.Struct):
    """What Flow sends an action; the run's id stays the same when it is sent again."""

    shopify_domain: str
    action_run_id: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    properties: Properties


class Server(NamedTuple):
    """The shop whose server asks, proven by its key."""

    shop: str
    customer_id: None = None


class Flow(NamedTuple):
    """The shop whose workflow asks, proven by Shopify's signature over what it asks."""

    shop: str
    call: FlowCall
    customer_id: None = None


async def by_key(request: Request) -> Server:
    """Raises UnauthorizedError without the key of a shop, TooOftenError."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        raise UnauthorizedError("Please send the shop's key: Authorization: Bearer hfk_….")
    claimed = keys.claimed(key.strip())
    cells.refuse_others(claimed.shop, request.state.stores.config, "api")
    # who only tries keys takes nothing of what the shop's own server may ask
    await _take(request, claimed.shop, "actions_tries", f"{claimed.shop}:{_from(request)}")
    with on_behalf_of(claimed.shop):
        await _guarded(lambda: keys.check(claimed))
    await _take(request, claimed.shop)
    return Server(claimed.shop)


def _from(request: Request) -> str:
    """Where a request came from, as whoever stands before us says; that one's word is the last."""
    # of several lines the last, too: what a client made up comes before what was added to it
    lines = ",".join(request.headers.getlist("x-forwarded-for"))
    forwarded = lines.rpartition(",")[2].strip()
    return (forwarded or (request.client.host if request.client else ""))[:ADDRESS_LENGTH_MAX]


async def by_signature(request: Request) -> Flow:
    """Raises UnauthorizedError without Shopify's signature, BadInputError, TooOftenError."""
    body = await read_body(request)
    digest = request.headers.get("x-shopify-hmac-sha256", "")
    config = request.state.stores.config
    if not verify.webhook_hmac_ok(body, digest, config.api_secrets):
        raise UnauthorizedError("The request does not carry Shopify's signature.")
    call = _decoded(body, FlowCall)
    shop = verify.shop_domain(call.shopify_domain)
    await _take(request, shop)
    return Flow(shop, call)


async def act(request: Request, caller: Caller) -> tuple[int, dict[str, Any]]:
    """Give a customer what an action gives: 200 with `{"outcome", "points", "action",
    "customer_id"}`, the same again for the same Idempotency-Key.
    """
    key = request.headers.get("idempotency-key", "")
    if not 1 <= len(key) <= KEY_LENGTH_MAX:
        raise BadInputError(
            f"Please send an Idempotency-Key of 1 to {KEY_LENGTH_MAX} characters, your own for "
            "each thing a customer did."
        )
    ask = _decoded(await read_body(request), Ask)
    stores = request.state.stores
    return 200, await _guarded(
        lambda: calls.act(caller.shop, ask.action, ask.customer_id, key, "server", stores)
    )


async def birthday(request: Request, caller: Caller) -> tuple[int, dict[str, Any]]:
    """Note a customer's birthday that the shop knows: 200 with `{"customer_id", "month_day",
    "can_edit", "editable_from"}`, the same again for the same day.
    """
    told = _decoded(await read_body(request), Born)
    stores = request.state.stores
    return 200, await _guarded(
        lambda: calls.born(caller.shop, told.customer_id, told.birthday, stores)
    )


async def flow(request: Request, caller: Caller) -> tuple[int, dict[str, Any]]:
    """The same for Shopify Flow, which tries again after 429 and 503 and gives up after 4xx."""
    assert isinstance(caller, Flow)
    asked, run = caller.call.properties, caller.call.action_run_id
    stores = request.state.stores
    answer = await _guarded(
        lambda: calls.act(caller.shop, asked.action, asked.customer_id, run, "flow", stores)
    )
    return 200, {"return_value": answer}


async def _take(request: Request, shop: str, name: str = "actions_shop", subject: str = "") -> None:
    """Raises TooOftenError."""
    allowance = await limits.take(
        request.state.stores.cache,
        name,
        f"{{{subject or shop}}}",
        rate_per_second=SHOP_PER_SECOND,
        burst=SHOP_BURST,
    )
    if not allowance.is_allowed:
        raise TooOftenError(allowance.retry_after_seconds)


async def _guarded(call: Callable[[], Awaitable[T]]) -> T:
    try:
        return await guard(TELLS, call)
    except DATABASE_AWAY as error:
        if is_callers_fault(error):
            raise
        raise UnavailableError(AWAY) from error


def _decoded(body: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise BadInputError(f"The request has another shape than expected: {error}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadInputError("The request is not JSON.") from None


routes: list[BaseRoute] = [
    Route("/api/v1/actions", Door(by_key, {"POST": act}), name="api_actions"),
    Route("/api/v1/birthdays", Door(by_key, {"POST": birthday}), name="api_birthdays"),
    Route("/api/v1/flow/actions", Door(by_signature, {"POST": flow}), name="api_flow_actions"),
]
