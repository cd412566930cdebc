"""What shoppers see of referrals: their link with the offer, and what came of it."""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar, cast

import msgspec
from starlette.requests import Request

from app import db, rooms
from app.core import reads as core_reads
from app.db import Stores
from app.errors import BadInputError, UnauthorizedError, UnavailableError
from app.flow.bus import log as fact_log
from app.own_facts import ReferralAsked
from app.referrals import events
from app.referrals.claims import actions as claims
from app.referrals.links import actions as links
from app.referrals.links import reads as link_reads
from app.referrals.links import rules
from app.referrals.panels import landing
from app.referrals.panels.where import where_from
from app.referrals.settings import reads as settings_reads
from app.referrals.views import LinkView, Settings
from app.resilience import cache, limits
from app.resilience.guard import Resource, guard, is_callers_fault
from app.resilience.memory import Memory
from app.resilience.reading import Reading
from app.telemetry import logs, product, traces
from app.web.api import Caller, TooOftenError, read_body
from app.web.shopper import Part, ShopperPage

FRESH_SECONDS, MEMORY_SECONDS = 5.0, 3.0
# A shopper's own: what they do here is known at once, what others do (a friend's claim, a link that
# had to wait for its turn) after this and MEMORY_SECONDS at most.
OWN_FRESH_SECONDS = 30.0
MEMORY_ENTRIES_MAX = 4_096
ON_ITS_WAY = "Your link is on its way."
SIGN_IN = "Please sign in to get your link."
AWAY = "Your link cannot be made at this moment. Please try again in a few minutes."
# far above what a person does
CUSTOMER_PER_SECOND, CUSTOMER_BURST = 0.5, 20
SHOP_PER_SECOND, SHOP_BURST = 20.0, 200
NOTHING: dict[str, Any] = {
    "url": None,
    "status": "unavailable",
    "message": "",
    "offer": None,
    "counts": {"waiting": 0, "completed": 0},
}
READS = Resource("referral reads", room=rooms.STOREFRONT, by_shop=True)
# a link that is not made in a moment is made by the worker
LINKS = Resource("referral links", room=rooms.STOREFRONT, by_shop=True)
QUEUE = Resource("referral queue", room=rooms.CHANGES, by_shop=True)
log = logs.logger()
T = TypeVar("T", "Offered", "Own")


class Ask(msgspec.Struct):
    """The body of a wish for a link; what the browser calls itself is told by the widget."""

    device: Annotated[str, msgspec.Meta(max_length=64)] = ""


class Clicked(msgspec.Struct, forbid_unknown_fields=True):
    """A share of a link, told by a browser; nothing is kept of it without consent."""

    channel: Literal["copy", "mail", "whatsapp", "x", "facebook", "native", "visit"]
    consent: bool = False


class Offered(msgspec.Struct):
    """What is cached of a shop: the offer, and what its money is."""

    settings: Settings
    currency: str


class Own(msgspec.Struct):
    """What is cached of a shopper: the link needs the shop's address to be shown."""

    link: LinkView | None = None


class Told(Offered):
    """What is shown of both."""

    link: LinkView | None = None


async def me(stores: Stores, caller: Caller) -> dict[str, Any]:
    """The link of somebody who is signed in; for everybody the offer."""
    found = await _told(stores, caller.shop, caller.customer_id)
    return {"referral": _body(stores, caller, found)}


async def link(request: Request, caller: Caller) -> tuple[int, dict[str, Any]]:
    """Make the shopper's link: 200 with it, 202 while it is on its way. However often it is asked
    for, it is one.
    """
    if caller.customer_id is None:
        raise UnauthorizedError(SIGN_IN, code="sign_in")
    stores: Stores = request.state.stores
    ask = _ask(await read_body(request), Ask)
    await _take(stores, caller.shop, caller.customer_id)
    made = await _made(stores, caller.shop, caller.customer_id)
    if made is None:
        await _queued(caller.shop, caller.customer_id)
        body = {**NOTHING, "status": "queued", "message": ON_ITS_WAY}
        return 202, {"referral": body}
    await _seen(request, caller.shop, caller.customer_id, ask.device)
    told = await _fresh(stores, caller.shop, caller.customer_id)
    body = _body(stores, caller, told)
    return (200 if body["status"] == "ready" else 202), {"referral": body}


async def clicked(request: Request, caller: Caller) -> tuple[int, dict[str, Any]]:
    """A share of a link, for the product's figures: only of who agreed to it."""
    told = _ask(await read_body(request), Clicked)
    if not told.consent:
        return 202, {"outcome": "not told"}
    stores: Stores = request.state.stores
    await _take(stores, caller.shop, caller.customer_id or "nobody")
    product.track(product.ReferralClicked(told.channel), caller.shop, stores.config)
    return 202, {"outcome": "told"}


PART = Part(
    "referrals",
    me,
    {"referral": NOTHING},
    (
        ("referral-link", {"POST": link}),
        ("referral-clicks", {"POST": clicked}),
    ),
    (
        ShopperPage(
            "r/{code}",
            "referral_landing",
            {"GET": landing.show, "POST": landing.claim},
            landing.refused,
        ),
    ),
)


async def _told(stores: Stores, shop: str, customer_id: str | None) -> Told | None:
    """What is known of a link, at most so many seconds old while all is well. What is the same for
    all of a shop's members is not read for each.
    """
    offered = await _read(stores, (shop, ""), lambda: _offered(stores, shop), Offered)
    if offered is None:
        return None
    told = Told(offered.settings, offered.currency)
    if customer_id is None or not offered.settings.is_on:
        return told
    own = await _read(stores, (shop, customer_id), lambda: _own(shop, customer_id), Own)
    if own is None:
        return None
    told.link = own.link
    return told


async def _read(
    stores: Stores, of: tuple[str, str], load: Callable[[], Awaitable[T]], kind: type[T]
) -> T | None:
    kept = _remembered.get(of)
    if kept and time.monotonic() - kept[0] < MEMORY_SECONDS:
        return cast("T", kept[1])
    found: Reading[T] = await cache.read_through(
        stores.cache,
        _key(*of),
        load,
        READS,
        decode=lambda raw: msgspec.json.decode(raw, type=kind),
        fresh_seconds=OWN_FRESH_SECONDS if of[1] else FRESH_SECONDS,
    )
    if found.value is not None:
        _remembered.put(of, (time.monotonic(), found.value))
    return found.value


async def _fresh(stores: Stores, shop: str, customer_id: str) -> Told | None:
    """What is true after a change, and in the cache from then on."""
    at = datetime.now(UTC)
    own = await guard(READS, lambda: _own(shop, customer_id))
    entry = (_key(shop, customer_id), int(at.timestamp() * 1000), msgspec.json.encode(own))
    await cache.put_if_newer(stores.cache, [entry], as_of=at)
    _remembered.put((shop, customer_id), (time.monotonic(), own))
    return await _told(stores, shop, customer_id)


def _key(shop: str, customer_id: str) -> str:
    # earlier releases kept the offer with each link, under other names
    return f"cache:link:{{{shop}}}:{customer_id}"


async def _offered(stores: Stores, shop: str) -> Offered:
    settings = await settings_reads.of(shop, stores.config.program_starts_as)
    known = await core_reads.shop(shop)
    return Offered(settings, known.currency if known else "USD")


async def _own(shop: str, customer_id: str) -> Own:
    return Own(await link_reads.of_member(shop, customer_id))


def _body(stores: Stores, caller: Caller, told: Told | None) -> dict[str, Any]:
    if told is None or not told.settings.is_on:
        return dict(NOTHING)
    found: dict[str, Any] = {**NOTHING, "offer": _offer(told)}
    it = told.link
    if it is None or it.status == "closed":
        return found
    counts = {"waiting": it.waiting, "completed": it.completed}
    if it.status == "queued":
        return {**found, "status": "queued", "message": ON_ITS_WAY, "counts": counts}
    prefix = getattr(caller, "path_prefix", "")
    url = rules.address(stores.config.shopify_url.format(shop=caller.shop), it.code, prefix)
    return {**found, "url": url, "status": "ready", "counts": counts}


def _offer(told: Told) -> dict[str, Any]:
    """In English words, and in figures for who says it in another language."""
    settings = told.settings
    return {
        "friend": settings_reads.for_friend(settings, told.currency),
        "advocate": settings_reads.for_advocate(settings),
        "friend_kind": settings.friend_kind,
        "friend_value": f"{settings.friend_value.normalize():f}",
        "friend_minimum": f"{settings.friend_minimum.normalize():f}",
        "currency": told.currency,
        "advocate_points": settings.advocate_points if settings.advocate_kind == "points" else None,
        "advocate_reward": settings.advocate_text,
        "order_number": settings.order_number,
    }


async def _made(stores: Stores, shop: str, customer_id: str) -> LinkView | None:
    """The link, made or queued; None when referrals do not answer in a shopper's moment."""
    try:
        return await guard(LINKS, lambda: links.ask(stores, shop, customer_id))
    except Exception as error:
        if is_callers_fault(error):
            raise
        log.warning("a link waits for the worker", shop=shop, reason=type(error).__name__)
        return None


async def _queued(shop: str, customer_id: str) -> None:
    """Ask by a fact, which waits for referrals whatever they are busy with. Twice is once."""
    asked = ReferralAsked(customer_id)

    async def tell() -> None:
        async with db.transaction() as conn:
            fact = events.fact("referral.asked", shop, asked, traces.carrier())
            await fact_log.append(conn, [fact])

    try:
        await guard(QUEUE, tell)
    except Exception as error:
        if is_callers_fault(error):
            raise
        raise UnavailableError(AWAY) from error


async def _seen(request: Request, shop: str, customer_id: str, device: str) -> None:
    """Keep where the advocate came from; a link without it is a link all the same."""
    stores: Stores = request.state.stores
    where = where_from(request, device)
    try:
        await guard(LINKS, lambda: claims.seen_at(stores, shop, customer_id, where))
    except Exception as error:  # noqa: BLE001 - one rule knows less about this advocate
        log.warning("an advocate's marks are not kept", shop=shop, reason=type(error).__name__)


async def _take(stores: Stores, shop: str, customer_id: str) -> None:
    for name, subject, rate, burst in (
        ("referral_customer", f"{{{shop}}}:{customer_id}", CUSTOMER_PER_SECOND, CUSTOMER_BURST),
        ("referral_shop", f"{{{shop}}}", SHOP_PER_SECOND, SHOP_BURST),
    ):
        allowed = await limits.take(stores.cache, name, subject, rate_per_second=rate, burst=burst)
        if not allowed.is_allowed:
            raise TooOftenError(allowed.retry_after_seconds)


def _ask(body: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadInputError("The request has another shape than expected.") from None


def forget() -> None:
    """Drop what this process remembers (for tests)."""
    _remembered.clear()


_remembered: Memory[tuple[str, str], tuple[float, Offered | Own]] = Memory(MEMORY_ENTRIES_MAX)
