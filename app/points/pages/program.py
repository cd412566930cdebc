"""The merchant's page about the programme: how points are earned and kept."""

import asyncio
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.points.earning import actions as earning
from app.points.members import reads
from app.points.pages import conflicts, heard, order_terms, rule_form, state
from app.points.views import Program
from app.resilience import reading
from app.resilience.reading import Reading
from app.web import examples, forms, pages
from app.web.forms import Form
from app.web.pages import Page, Visit, admin_page


async def ready(visit: Visit) -> Reading[Program]:
    """The programme in force; a new shop gets one with its rewards, and one whose currency or zone
    moved follows.

    Done by the pages a merchant opens first, so that there are rewards from the first look on.
    """
    found = await pages.read(
        visit.stores, f"program:{visit.shop}", lambda: reads.program(visit.shop), Program
    )
    current = found.value
    if not visit.is_described or not found.is_live or current is None:
        return found
    if current.version and (current.currency, current.timezone) == (visit.currency, visit.timezone):
        return found
    made = await pages.attempt(
        lambda: earning.ensure_program(
            visit.shop, visit.currency, visit.timezone, visit.stores.config.program_starts_as
        ),
        forms.CHANGES,
    )
    return found if made is None else reading.live(made)


@admin_page
async def program(visit: Visit) -> Response:
    await ready(visit)
    return await _program(visit)


async def _program(
    visit: Visit,
    *,
    rule: Form | None = None,
    status: int = 200,
    toast: str = "",
) -> Response:
    """The page; `rule` is a form that failed."""
    shop = visit.shop
    rules_now, history = await asyncio.gather(
        pages.read(visit.stores, f"program:{shop}", lambda: reads.program(shop), Program),
        pages.read(
            visit.stores, f"versions:{shop}", lambda: reads.program_versions(shop), list[Program]
        ),
    )
    current = rules_now.value
    if rule is None and current:
        rule = Form("rule-", conflicts.written(rule_form.typed(current), visit.locale))
    return pages.render(
        visit,
        "points/program.html",
        heading="Program",
        readings=[rules_now, history],
        notes=await heard.notes(visit),
        status=status,
        toast=toast,
        program=current,
        rule=rule,
        example=rule_form.sentences(rule.values, visit.currency, visit.locale)
        if rule and not rule.problems
        else [],
        roundings=rule_form.ROUNDINGS,
        clawbacks=rule_form.CLAWBACKS,
        returns=rule_form.RETURNS,
        order_terms=order_terms.sentences(current) if current else [],
        history=history.value or [],
    )


@admin_page
async def edit(visit: Visit) -> Response:
    values = await forms.read_form(visit.request)
    form = Form("rule-", values, rule_form.problems(values, visit.locale))
    if form.problems:
        return await _program(visit, rule=form, status=422)
    changed: dict[str, Any] = {
        "rate": forms.decimal(values["rate"], places_max=4, locale=visit.locale),
        "rounding": values["rounding"],
        "clawback": values["clawback"],
        **({"returns": values["returns"]} if "returns" in values else {}),
        "pending_days": values["pending_days"] or "0",
        "expiry_days": int(values["expiry_days"]) if values["expiry_days"] else None,
    }
    by = await pages.name_of(visit)

    async def save() -> None:
        try:
            await earning.edit_program(visit.shop, changed, by, conflicts.seen(values))
        except earning.StaleRulesError as error:
            theirs = conflicts.written(rule_form.typed(error.current), visit.locale)
            conflicts.show(form, theirs, rule_form.FIELDS)
            raise

    status = await forms.change(form, save)
    if status != forms.SAVED:
        return await _program(visit, rule=form, status=status)
    return await _program(visit, toast="Saved. It counts for orders placed from now on")


@admin_page
async def change_state(visit: Visit) -> Response:
    """Start the programme, pause it, or let it go on."""
    status, said = await state.change(visit)
    return await _program(visit, status=status, toast=said)


@admin_page
async def example(visit: Visit) -> Response:
    """What the rule so far comes to, while it is being typed."""
    values = visit.request.query_params
    return examples.said(rule_form.sentences(values, visit.currency, visit.locale))


routes: list[BaseRoute] = [
    Page("/program", program, "Program"),
    Route("/program/edit", edit, methods=["POST"]),
    Route("/program/example", example),
    Route("/program/state", change_state, methods=["POST"]),
    *state.routes,
    *order_terms.routes,
]
