"""The operators' page of the flags: what each guards, how it stands, and a form to change it."""

import time
from datetime import UTC, date, datetime
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from app import db, rooms
from app.admin.operator import FLAGS_PATH, HEADERS
from app.errors import BadInputError
from app.flags import evaluation, store
from app.flags.known import FLAGS, FULL, Flag, Setting, default, stale_days
from app.resilience.guard import Resource
from app.web import forms, operators, pages, views, wording

READS = Resource("operators' flags", room=rooms.ADMIN)
CHANGES = Resource("operators' changes", room=rooms.CHANGES)
SECONDS_AN_HOUR = 3_600
NOTHING_TYPED = dict.fromkeys(("enabled", "share", "shops_on", "shops_off", "by"), "")
HTTP_SEE_OTHER = 303


class Shown(NamedTuple):
    """A flag as the page shows it; `form` has what was typed, or how the flag stands."""

    flag: Flag
    setting: Setting
    days: int
    stale_days: int
    used: str
    form: forms.Form


async def page(request: Request) -> Response:
    """Raises UnauthorizedError for strangers."""
    operators.admit(request)
    return await _drawn(request)


async def change(request: Request) -> Response:
    """Save what the form says of a flag; 409 beside what was typed when another tab was faster.

    Raises UnauthorizedError for strangers, NotFoundError for what is no flag.
    """
    operators.admit_change(request)
    typed = await forms.read_form(request)
    key = request.path_params["key"]
    form = forms.Form(key, values={**NOTHING_TYPED, **typed})
    status = await forms.change(form, lambda: _save(key, typed), CHANGES)
    if status != forms.SAVED:
        return await _drawn(request, form, status)
    await evaluation.poll()  # this process at once, the others within five seconds
    return RedirectResponse(f"{FLAGS_PATH}#{key}", HTTP_SEE_OTHER, HEADERS)


async def _save(key: str, typed: dict[str, str]) -> int:
    share = forms.whole(typed.get("share", ""), FULL)
    version = forms.whole(typed.get("version", ""), 2**31 - 1)
    if share is None or version is None:
        raise BadInputError(f"A share is a whole number from 0 to {FULL:,}.")
    wanted = Setting(
        key,
        is_enabled=typed.get("enabled") == "yes",
        share_in_10000=share,
        shops_on=frozenset(typed.get("shops_on", "").lower().split()),
        shops_off=frozenset(typed.get("shops_off", "").lower().split()),
        version=version,
    )
    return await store.change(wanted, typed.get("by", ""))


async def _drawn(
    request: Request, refused: forms.Form | None = None, status: int = 200
) -> Response:
    stores: db.Stores = request.state.stores
    settings = await pages.attempt(store.read, READS)
    used = await pages.attempt(lambda: evaluation.last_used(stores), READS)
    changes = await pages.attempt(store.changes, READS)
    # what this process knew last stands where the database is away
    known = evaluation.table.settings if settings is None else settings
    html = views.environment.get_template("admin/flags.html").render(
        flags=[
            _shown(flag, known.get(flag.key) or default(flag), used, refused)
            for flag in FLAGS.values()
        ],
        is_known=settings is not None,
        age=evaluation.age_seconds(),
        has_launchdarkly=bool(stores.config.launchdarkly_sdk_key),
        changes=changes,
        path=FLAGS_PATH,
        timezone="UTC",
        rendering="native",
    )
    return HTMLResponse(html, status, headers=HEADERS)


def _shown(
    flag: Flag, setting: Setting, used: dict[str, float] | None, refused: forms.Form | None
) -> Shown:
    today = datetime.now(UTC).date()
    form = (
        refused if refused and refused.prefix == flag.key else forms.Form(flag.key, _typed(setting))
    )
    days = _days(flag.since, today)
    return Shown(flag, setting, days, stale_days(flag, setting, today), _used(flag, used), form)


def _typed(setting: Setting) -> dict[str, str]:
    return {
        "enabled": "yes" if setting.is_enabled else "",
        "share": str(setting.share_in_10000),
        "shops_on": "\n".join(sorted(setting.shops_on)),
        "shops_off": "\n".join(sorted(setting.shops_off)),
        "version": str(setting.version),
        "by": "",
    }


def _days(since: date, today: date) -> int:
    return max(0, (today - since).days)


def _used(flag: Flag, used: dict[str, float] | None) -> str:
    if used is None:
        return "not known"
    if flag.key not in used:
        return "not in the last day"
    ago = max(0.0, time.time() - used[flag.key])
    said = f"{wording.age(ago)} ago"
    return said if ago < SECONDS_AN_HOUR else f"{said}, not in the last hour"


routes: list[BaseRoute] = [
    Route(FLAGS_PATH, page),
    Route(f"{FLAGS_PATH}/{{key}}", change, methods=["POST"]),
]
