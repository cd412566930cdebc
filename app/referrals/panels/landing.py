"""The page a link leads to, in the shop's own storefront: the offer, and the form to claim it.

Shopify reads it as Liquid and puts it into the theme. Whatever comes from people is written so that
neither HTML nor Liquid sees more in it than text; the form works without scripts.
"""

import re
from dataclasses import dataclass
from typing import Any

import jinja2
import markupsafe
from starlette.requests import Request

from app import config as settings_of_process
from app import rooms
from app.core import reads as core_reads
from app.db import Stores
from app.errors import HoldfastError, NotFoundError, RefusedError, UnavailableError
from app.referrals.claims import actions as claims
from app.referrals.claims import codes
from app.referrals.claims.actions import NO_LINK, NOT_ON, Claimed, Typed
from app.referrals.links import actions as links
from app.referrals.links import reads as link_reads
from app.referrals.links import rules
from app.referrals.panels import words
from app.referrals.panels.where import bucket, where_from
from app.referrals.panels.words import AWAY, NOT_SAVED, TOO_OFTEN
from app.referrals.settings import reads as settings_reads
from app.resilience import limits
from app.resilience.guard import Resource, guard, is_callers_fault
from app.telemetry import logs
from app.web import forms
from app.web.api import Caller, TooOftenError

# of one connection: a family or an office, not a list of addresses
CLAIMS_PER_SECOND, CLAIMS_BURST = 10 / 3_600, 6
SHOP_CLAIMS_PER_SECOND, SHOP_CLAIMS_BURST = 2.0, 200
VISIT_ONCE_SECONDS = 3_600.0
# whoever draws a preview of a link that was sent to a friend has not followed it
NO_PEOPLE = re.compile(
    r"bot\b|crawl|spider|preview|facebookexternalhit|whatsapp|slack|telegram|curl|python|headless",
    re.IGNORECASE,
)
PAGES = Resource("referral landing", room=rooms.STOREFRONT, by_shop=True)
CLAIMS = Resource("referral claims", room=rooms.HOLDS, by_shop=True)
CODES = Resource("referral codes", room=rooms.COMPLETIONS, by_shop=True)
log = logs.logger()


def liquid_safe(value: Any) -> Any:
    """What is put into the page: text for HTML, and nothing that Liquid would read as its own."""
    if not isinstance(value, str | markupsafe.Markup):
        return value
    escaped = markupsafe.escape(value)
    braces = str(escaped).replace("{", "&#123;").replace("}", "&#125;")
    return markupsafe.Markup(braces)  # noqa: S704 - escaped above


environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(settings_of_process.ROOT / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    finalize=liquid_safe,
)


@dataclass(frozen=True, slots=True)
class Offer:
    """What a link offers, and where."""

    shop_name: str
    friend: str
    is_own: bool  # the visitor's own link
    action: str
    storefront: str
    link_id: int
    language: str


async def show(request: Request, caller: Caller) -> tuple[int, str]:
    """The offer of a link, and the form to claim it."""
    offer = await _offer(request, caller)
    await _count(request, caller, offer)
    return 200, _draw(offer=offer)


async def claim(request: Request, caller: Caller) -> tuple[int, str]:
    """A friend's claim: the code when Shopify is quick, or that it is on its way."""
    offer = await _offer(request, caller)
    stores: Stores = request.state.stores
    fields = await forms.read_form(request)
    email = fields.get("email", "")
    try:
        await _take(request, caller)
        typed = Typed(
            email, where_from(request, fields.get("device", "")[:64]), caller.customer_id or ""
        )
        code = str(request.path_params["code"]).lower()
        made = await guard(
            CLAIMS, lambda: claims.claim(stores, caller.shop, code, typed), subject=email
        )
        made = await _with_code(request, caller, code, typed, made)
    except TooOftenError:
        return 429, _draw(offer, email, TOO_OFTEN)
    except HoldfastError as error:
        said = error.message if error.permanent else NOT_SAVED
        return error.status, _draw(offer, email, said)
    except Exception as error:
        if is_callers_fault(error):
            raise
        log.warning("a claim was not saved", shop=caller.shop, reason=type(error).__name__)
        return 503, _draw(offer, email, NOT_SAVED)
    return (200 if made.code else 202), _draw(offer, email, claimed=made)


def refused(request: Request, sentence: str) -> str:
    """The page when there is no offer to show."""
    return _draw(problem=sentence, language=_language(request))


def _draw(
    offer: Offer | None = None,
    email: str = "",
    problem: str = "",
    claimed: Claimed | None = None,
    language: str = "en",
) -> str:
    language = offer.language if offer else language
    return environment.get_template("referrals/landing.html").render(
        offer=offer,
        email=email,
        problem=words.said(problem, language),
        claimed=claimed,
        language=language,
        words=words.WORDS[language],
    )


def _language(request: Request) -> str:
    return words.language_of(request.headers.get("accept-language", ""))


async def _offer(request: Request, caller: Caller) -> Offer:
    """Raises NotFoundError for no link of this shop, UnavailableError when it cannot be read."""
    code = str(request.path_params["code"]).lower()
    stores: Stores = request.state.stores
    language = _language(request)
    if not rules.is_code(code):
        raise NotFoundError(NO_LINK)

    async def load() -> Offer:
        found = await link_reads.by_code(caller.shop, code)
        settings = await settings_reads.of(caller.shop, stores.config.program_starts_as)
        shop = await core_reads.shop(caller.shop)
        if found is None or found[0].status != "ready":
            raise NotFoundError(NO_LINK)
        if not settings.is_on:
            raise NotFoundError(NOT_ON)
        link, advocate_id = found
        base = stores.config.shopify_url.format(shop=caller.shop)
        return Offer(
            shop.name if shop else "",
            words.offer(settings, shop.currency if shop else "USD", language),
            advocate_id == caller.customer_id,
            rules.address(base, code, getattr(caller, "path_prefix", "")),
            base,
            link.id,
            language,
        )

    try:
        return await guard(PAGES, load)
    except Exception as error:
        if is_callers_fault(error):
            raise
        raise UnavailableError(AWAY) from error


async def _count(request: Request, caller: Caller, offer: Offer) -> None:
    """A visit, once an hour of whoever it is; whatever fails here shows the page all the same."""
    agent = request.headers.get("user-agent", "")
    if offer.is_own or not agent or NO_PEOPLE.search(agent):
        return
    stores: Stores = request.state.stores
    again = await limits.take(
        stores.cache,
        "referral_visits",
        bucket(request, f"{offer.link_id} {agent}"),
        rate_per_second=1 / VISIT_ONCE_SECONDS,
    )
    if not again.is_allowed:
        return
    try:
        await guard(PAGES, lambda: links.visited(caller.shop, offer.link_id))
    except Exception as error:  # noqa: BLE001 - a figure, and no reason to show nothing
        log.warning("a visit is not counted", shop=caller.shop, reason=type(error).__name__)


async def _take(request: Request, caller: Caller) -> None:
    stores: Stores = request.state.stores
    for name, subject, rate, burst in (
        ("referral_claims_address", bucket(request), CLAIMS_PER_SECOND, CLAIMS_BURST),
        (
            "referral_claims_shop",
            f"{{{caller.shop}}}",
            SHOP_CLAIMS_PER_SECOND,
            SHOP_CLAIMS_BURST,
        ),
    ):
        allowed = await limits.take(stores.cache, name, subject, rate_per_second=rate, burst=burst)
        if not allowed.is_allowed:
            raise TooOftenError(allowed.retry_after_seconds)


async def _with_code(
    request: Request, caller: Caller, code: str, typed: Typed, made: Claimed
) -> Claimed:
    """The claim with its code when Shopify makes it at once; else the worker goes on."""
    if made.code_state != "making":
        return made
    stores: Stores = request.state.stores
    try:
        await guard(CODES, lambda: codes.go_on(stores, request.state.client, made.id))
        return await guard(CLAIMS, lambda: claims.claim(stores, caller.shop, code, typed))
    except RefusedError:
        raise  # Shopify knew more of the friend than we did
    except Exception as error:  # noqa: BLE001 - the claim stands, its code comes
        log.warning("a code goes on in the worker", shop=caller.shop, reason=type(error).__name__)
        return made
