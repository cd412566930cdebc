"""The merchant's page about one customer: what happened to their points, adjusting them, notes."""

import asyncio
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app import calendar, paging
from app.core import actions as core_actions
from app.core import reads as core_reads
from app.core.reads import CustomerInfo, Note
from app.errors import NotFoundError
from app.paging import Links
from app.points import steps
from app.points.ledger import actions
from app.points.members import reads
from app.points.pages import (
    adjusting,
    api,
    bulk,
    conflicts,
    corrections,
    filtering,
    heard,
    listing,
    redemptions,
    spreadsheet,
    tier_form,
    ways,
)
from app.points.pages import program as program_pages
from app.points.pages import rewards as reward_pages
from app.points.pages import tiers as tier_pages
from app.points.pages.filtering import EventFiltering
from app.points.steps import SagaView
from app.points.tiers import reads as tier_reads
from app.points.tiers.reads import MemberTier
from app.points.views import Balance, MemberDetail
from app.resilience.reading import Reading
from app.web import forms, pages, panels
from app.web.forms import Form
from app.web.pages import Page, Visit, admin_page

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shown:
    """One customer: who, and their points; None for what core or points does not know."""

    info: CustomerInfo | None
    detail: MemberDetail | None
    last_order_at: datetime | None
    notes: list[Note]
    notes_links: Links
    sagas: list[SagaView]  # what happens in several steps, the newest first
    tier: MemberTier | None = None


@admin_page
async def customer(visit: Visit) -> Response:
    return await _customer(visit, _customer_id(visit))


async def _customer(
    visit: Visit,
    customer_id: str,
    form: Form | None = None,
    note: Form | None = None,
    *,
    status: int = 200,
    toast: str = "",
) -> Response:
    chosen = filtering.events(visit.request.query_params, visit.timezone)
    found, (day, then), beside, notes = await asyncio.gather(
        _shown(visit, customer_id, chosen),
        _then(visit, customer_id),
        panels.draw(visit, panels.beside_customer),
        heard.notes(visit),
    )
    if form is None:
        seen = found.value.detail.member.sequence if found.value and found.value.detail else ""
        form = Form("adjust-", {"key": str(uuid.uuid4()), "version": str(seen)})
    info = found.value.info if found.value else None
    return pages.render(
        visit,
        "points/customer.html",
        heading=(info.name if info else "") or f"Customer {customer_id}",
        readings=[found],
        notes=notes,
        status=status,
        toast=toast,
        customer_id=customer_id,
        shown=found.value,
        info=info,
        detail=found.value.detail if found.value else None,
        kinds=filtering.KINDS,
        chosen=Form("events-", chosen.typed, chosen.problems),
        form=form or Form("adjust-", {"key": str(uuid.uuid4())}),
        note=note or Form("note-", {"key": str(uuid.uuid4())}),
        day=day,
        then=then,
        today=datetime.now(calendar.zone(visit.timezone)).date(),
        words=tier_form.words,
        panels=beside,
        is_trouble_shared=False,
    )


async def _shown(visit: Visit, customer_id: str, chosen: EventFiltering) -> Reading[Shown]:
    """Raises NotFoundError for somebody neither core nor points knows."""
    shop, query = visit.shop, visit.request.query_params
    at = paging.cursor(query, reads.EVENT_KEYS)
    expiries_at = paging.cursor(query, reads.EXPIRY_KEYS, "expiries_")
    notes_at = paging.cursor(query, 1, "notes_")

    async def load() -> Shown:
        info = (await core_reads.customers(shop, [customer_id])).get(customer_id)
        last = (await core_reads.last_orders(shop, [customer_id])).get(customer_id)
        notes, links = await core_reads.notes(shop, customer_id, notes_at)
        sagas = await steps.of_customer(shop, customer_id)
        try:
            detail = await reads.member(shop, customer_id, at, expiries_at, chosen.asked)
        except NotFoundError:
            if info is None or info.is_deleted:
                raise
            return Shown(info, None, last, notes, links, sagas)
        tier = await tier_reads.of_customer(shop, customer_id)
        return Shown(info, detail, last, notes, links, sagas, tier)

    if at or expiries_at or notes_at or chosen.typed:
        return await pages.attempted(load)
    return await pages.read(visit.stores, f"customer:{shop}:{customer_id}", load, Shown)


async def _then(visit: Visit, customer_id: str) -> tuple[Form, Balance | None]:
    """What the date field asked for: the day as typed, and the balance at its end in the shop's
    zone.
    """
    typed = visit.request.query_params.get("at", "").strip()[:10]
    if not typed:
        return Form(""), None
    try:
        day = date.fromisoformat(typed)
        end = datetime.combine(
            day + timedelta(days=1), time.min, calendar.zone(visit.timezone)
        ).astimezone(UTC)
    except (ValueError, OverflowError):
        return Form("", {"at": typed}, {"at": "Please give a date, such as 2026-03-31."}), None
    balance = await pages.attempt(
        lambda: reads.balance_as_of(visit.shop, customer_id, end, "effective")
    )
    problems = {} if balance else {"at": "The ledger cannot be read just now."}
    return Form("", {"at": typed}, problems), balance


@admin_page
async def adjust(visit: Visit) -> Response:
    customer_id = _customer_id(visit)
    values = await forms.read_form(visit.request)
    form = Form("adjust-", values, adjusting.problems(values))
    if form.problems:
        return await _customer(visit, customer_id, form, status=422)
    points, reason, key = adjusting.points(values["points"]), values["reason"], values["key"]
    name = await pages.name_of(visit)

    async def save() -> None:
        try:
            await actions.adjust(
                visit.shop,
                customer_id,
                points,
                reason,
                key,
                visit.staff.user_id,
                visit.stores,
                name=name,
                seen_sequence=conflicts.seen(values),
            )
        except actions.StaleAdjustmentError as error:
            theirs = f"{error.points:+,} by {error.name}: {error.reason}"
            form.conflict = [("Adjustment", theirs, f"{points:+,}: {reason}")]
            form.values = {**values, "version": str(error.sequence)}
            raise

    status = await forms.change(form, save)
    if status != forms.SAVED:
        return await _customer(visit, customer_id, form, status=status)
    return await _customer(visit, customer_id, toast=f"{points:+,} points saved")


@admin_page
async def add_note(visit: Visit) -> Response:
    customer_id = _customer_id(visit)
    values = await forms.read_form(visit.request)
    form = Form("note-", values)
    status = await forms.change(
        form,
        lambda: core_actions.add_note(
            visit.shop,
            customer_id,
            values.get("note", ""),
            values.get("key", ""),
            visit.staff.user_id,
        ),
    )
    if status != forms.SAVED:
        return await _customer(visit, customer_id, note=form, status=status)
    return await _customer(visit, customer_id, toast="Note saved")


@admin_page
async def download(visit: Visit) -> Response:
    """The events a customer's page shows, all its pages, as a file for a spreadsheet."""
    customer_id = _customer_id(visit)
    chosen = filtering.events(visit.request.query_params, visit.timezone)
    text = await spreadsheet.events(visit.shop, customer_id, chosen.asked, visit.timezone)
    return spreadsheet.file(text, f"points-{customer_id}.csv")


def _customer_id(visit: Visit) -> str:
    customer_id = str(visit.request.path_params["customer_id"])
    if not re.fullmatch(r"[0-9]{1,20}", customer_id):
        raise NotFoundError("There is no such customer in this shop.")
    return customer_id


routes: list[BaseRoute] = [
    Page("/customers", listing.customers, "Customers"),
    *bulk.routes,
    Route("/customers/{customer_id}", customer, name="customer"),
    Route("/customers/{customer_id}/adjust", adjust, methods=["POST"]),
    *redemptions.routes(_customer_id, _customer),
    Route("/customers/{customer_id}/notes", add_note, methods=["POST"]),
    Route("/customers/{customer_id}/points.csv", download),
    *program_pages.routes,
    *reward_pages.routes,
    *tier_pages.routes,
    *ways.routes,
    *api.routes,
    *corrections.routes,
]
