"""Forms of the admin pages: reading what was typed, and saving it or saying why not with
everything still there.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import ClientDisconnect, Request

from app import rooms
from app.errors import BadInputError, HoldfastError, NotFoundError
from app.resilience.guard import Resource, SlowError, guard
from app.telemetry import logs

FIELDS_MAX = 40
FIELD_LENGTH_MAX = 2_000
# the languages of Shopify admin that write 1,5; and where some of them are written with a point
COMMA_LANGUAGES = frozenset(
    (
        *("bg", "cs", "da", "de", "el", "es", "fi", "fr", "hr", "hu", "id", "it", "lt", "nb", "nl"),
        *("no", "pl", "pt", "ro", "ru", "sk", "sl", "sv", "tr", "uk", "vi"),
    )
)
POINT_REGIONS = frozenset({"CH", "LI", "MX", "US", "PR", "GT", "HN", "NI", "PA", "SV", "DO"})
CHARSET = re.compile(r"charset\s*=\s*[\"']?([^\"';\s]*)", re.IGNORECASE)
CHANGES = Resource("changes", room=rooms.CHANGES, by_shop=True)
SAVED = 200
UNSAVED = (
    "This could not be saved: the database is not answering. Nothing was changed; what you "
    "typed is still here."
)
SLOW_BUT_ONCE = "This takes longer than it should. Please save again: it takes effect only once."
SLOW = (
    "This takes longer than it should, and may have been saved. Please reload the page and "
    "look before saving again."
)
log = logs.logger()


@dataclass(slots=True)
class Form:
    """What was typed and what is wrong with it, by field name; the problem under "" is about
    the whole form.
    """

    prefix: str
    values: Mapping[str, Any] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    # what somebody else saved meanwhile, beside what was typed: (what, theirs, yours)
    conflict: list[tuple[str, str, str]] = field(default_factory=list)


async def read_form(request: Request) -> dict[str, str]:
    """The text fields of a posted form, trimmed. Call it after the proof of who asks: no form is
    read for a stranger. Raises BadInputError for files, for another charset than UTF-8, and for
    more than the limits; TooLargeError comes from the edge, which lets no more than 64 KB in.
    """
    named = CHARSET.search(request.headers.get("content-type", ""))
    if named and named[1].lower() not in {"utf-8", "utf8"}:
        raise BadInputError("Please send the form as UTF-8.")
    try:
        async with request.form(max_files=0, max_fields=FIELDS_MAX) as posted:
            return _fields(posted)
    except ClientDisconnect:
        raise BadInputError("The form ended before it was complete.") from None


def _fields(posted: FormData) -> dict[str, str]:
    fields = {}
    for name, value in posted.multi_items():
        if not isinstance(value, str):
            raise BadInputError("A file cannot be sent here.")
        if len(value) > FIELD_LENGTH_MAX:
            raise BadInputError(f"Please use at most {FIELD_LENGTH_MAX} characters in a field.")
        fields[name] = value.replace("\0", "").strip()  # Postgres has no text with NUL
    return fields


async def change(
    form: Form, call: Callable[[], Awaitable[object]], resource: Resource = CHANGES
) -> int:
    """Make a change under the guard; the status to answer with, and unless it is SAVED the reason
    in `form.problems`.

    Raises NotFoundError.
    """
    try:
        await guard(resource, call)
    except NotFoundError:
        raise  # nothing to correct in the form: what it is about is not there
    except SlowError:
        form.problems[""] = SLOW_BUT_ONCE if form.values.get("key") else SLOW
        return 503
    except HoldfastError as error:
        is_ours = error.permanent or resource is not CHANGES  # the sentence says what was away
        form.problems[""] = error.message if is_ours else UNSAVED
        return error.status
    except Exception as error:  # noqa: BLE001
        # whatever a store raises when it is away; what was typed must stay
        log.warning("change not saved", reason=type(error).__name__)
        form.problems[""] = UNSAVED
        return 503
    return SAVED


def decimal(typed: str, *, places_max: int, locale: str = "") -> Decimal | None:
    """A plain decimal number of at most `places_max` places, or None; no exponents, signs or
    separators of thousands.

    Where `locale` writes a comma, `1,5` is read, and `1.5` too; but not `1.500`, which is 1500
    there.
    """
    if writes_comma(locale):
        if re.fullmatch(r"[0-9]{1,3}\.[0-9]{3}", typed):
            return None
        typed = typed.replace(",", ".")
    return (
        Decimal(typed)
        if re.fullmatch(rf"[0-9]{{1,12}}(\.[0-9]{{1,{places_max}}})?", typed)
        else None
    )


def written(number: Decimal | str, locale: str = "") -> str:
    """A number as a field shows it: with the comma where the locale writes one."""
    plain = number if isinstance(number, str) else f"{number:f}"
    return plain.replace(".", ",") if writes_comma(locale) else plain


def writes_comma(locale: str) -> bool:
    """Whether numbers of this locale (`de`, `pt-BR`) have a decimal comma."""
    language, _, region = locale.replace("_", "-").partition("-")
    return language.lower() in COMMA_LANGUAGES and region.upper() not in POINT_REGIONS


def whole(typed: str, most: int) -> int | None:
    """A whole number from 0 to `most`, or None."""
    digits = typed if re.fullmatch(r"[0-9]{1,12}", typed) else ""
    return int(digits) if digits and int(digits) <= most else None
