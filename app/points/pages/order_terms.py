"""The merchant's page about what of orders earns: products, collections, tags, channels, companies,
subscriptions, shipping and taxes.
"""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.points.earning import actions as earning
from app.points.earning import order_terms
from app.points.earning.campaigns import collections
from app.points.earning.campaigns.collections import State
from app.points.members import reads
from app.points.pages import conflicts
from app.points.views import Program
from app.web import forms, pages
from app.web.forms import Form
from app.web.pages import Visit, admin_page

PATH = "/program/orders"
EARNS = {"earn": "Earn points", "nothing": "Earn nothing"}
COUNTED = {"without": "Not counted", "with": "Counted"}
CHANNELS = {f"channel_{name}": title for name, title in order_terms.CHANNELS.items()}
FIELDS = {
    "products": "Products that earn nothing",
    "collections": "Collections that earn nothing",
    "tags": "Orders with these tags earn nothing",
    **CHANNELS,
    "b2b": "Orders of companies (B2B)",
    "subscription_rate": "Points for each unit of a subscription",
    "shipping": "Shipping",
    "taxes": "Taxes",
}


@admin_page
async def show(visit: Visit) -> Response:
    return await _page(visit)


async def _page(
    visit: Visit, *, form: Form | None = None, status: int = 200, toast: str = ""
) -> Response:
    shop = visit.shop
    found = await pages.read(visit.stores, f"program:{shop}", lambda: reads.program(shop), Program)
    current = found.value
    if form is None and current:
        form = Form("orders-", conflicts.written(_typed(current), visit.locale))
    named = order_terms.read(current.order_terms).collections if current else []
    states = await pages.read(
        visit.stores, f"collections:{shop}", lambda: collections.states(shop, named), list[State]
    )
    return pages.render(
        visit,
        "points/order_terms.html",
        heading="What counts in an order",
        readings=[found, states],
        status=status,
        toast=toast,
        form=form,
        program=current,
        earns=EARNS,
        counted=COUNTED,
        channels=CHANNELS,
        collections=states.value or [],
    )


def _typed(program: Program) -> dict[str, str]:
    terms = order_terms.read(program.order_terms)
    return {
        "products": ", ".join(terms.products),
        "collections": ", ".join(terms.collections),
        "tags": ", ".join(terms.tags),
        **{
            f"channel_{name}": "nothing" if name in terms.channels else "earn"
            for name in order_terms.CHANNELS
        },
        "b2b": "nothing" if terms.is_b2b_out else "earn",
        "subscription_rate": terms.subscription_rate,
        "shipping": "with" if terms.with_shipping else "without",
        "taxes": "with" if terms.with_taxes else "without",
        "version": str(program.version),
    }


def _fields(values: Mapping[str, str], locale: str) -> dict[str, Any]:
    """What was typed, by the names of OrderTerms."""
    typed = values.get("subscription_rate", "")
    rate = forms.decimal(typed, places_max=4, locale=locale)
    return {
        **{name: values.get(name, "") for name in ("products", "collections", "tags")},
        "channels": [
            name for name in order_terms.CHANNELS if values.get(f"channel_{name}") == "nothing"
        ],
        "is_b2b_out": values.get("b2b") == "nothing",
        "subscription_rate": typed if rate is None else f"{rate:f}",
        "with_shipping": values.get("shipping") == "with",
        "with_taxes": values.get("taxes") == "with",
    }


@admin_page
async def save(visit: Visit) -> Response:
    values = await forms.read_form(visit.request)
    fields = _fields(values, visit.locale)
    problems = order_terms.problems(fields)
    if "channels" in problems:
        problems["channel_online"] = problems.pop("channels")
    form = Form("orders-", values, problems)
    if problems:
        return await _page(visit, form=form, status=422)
    by = await pages.name_of(visit)

    async def change() -> None:
        try:
            await earning.edit_program(
                visit.shop, {"order_terms": fields}, by, conflicts.seen(values)
            )
        except earning.StaleRulesError as error:
            conflicts.show(form, conflicts.written(_typed(error.current), visit.locale), FIELDS)
            raise

    status = await forms.change(form, change)
    if status != forms.SAVED:
        return await _page(visit, form=form, status=status)
    return await _page(visit, toast="Saved. It counts for orders placed from now on")


def sentences(program: Program) -> list[str]:
    """What differs from every order counting alike, in a few words each."""
    terms = order_terms.read(program.order_terms)
    found = []
    for what, names in (("product", terms.products), ("collection", terms.collections)):
        if names:
            many = len(names) > 1
            found.append(f"{len(names)} {what}{'s earn' if many else ' earns'} nothing")
    if terms.tags:
        found.append(f"those tagged {', '.join(terms.tags)} earn nothing")
    found += [f"{order_terms.CHANNELS[name].lower()} earns nothing" for name in terms.channels]
    if terms.is_b2b_out:
        found.append("companies earn nothing")
    if terms.subscription_rate:
        found.append(f"subscriptions earn {terms.subscription_rate} a unit")
    if terms.with_shipping:
        found.append("shipping counts")
    if terms.with_taxes:
        found.append("taxes count")
    return found


routes: list[BaseRoute] = [Route(PATH, show), Route(PATH, save, methods=["POST"])]
