"""Errors of our own scripts in browsers, told to our own endpoint: bounded, each once an hour, and
shown with the line of the script they stand in.

No script of anybody else runs in a shop for it. The files are served as they are written, so a line
and its number are those of the source, and the digest in an address says of which edition.
"""

import hashlib
import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs, urlsplit

import msgspec
from starlette.requests import Request

from app.errors import BadInputError, TooLargeError
from app.resilience import limits
from app.telemetry import logs, metrics
from app.web import files
from app.web.api import TooOftenError, read_body

Place = Literal["admin", "widget"]
Outcome = Literal["told", "again", "foreign"]
BODY_BYTES_MAX = 6_000
SHOP_PER_SECOND, SHOP_BURST = 0.2, 20
ADDRESS_PER_SECOND, ADDRESS_BURST = 0.05, 5  # of whoever asks
ONCE_SECONDS = 3_600.0
FRAMES_MAX = 20
LINE_LENGTH_MAX = 200  # of a script, shown
# `at name (address:1:2)` and `at address:1:2` of Chromium, `name@address:1:2` of the others
_FRAME = re.compile(
    r"(?:at (?P<named>[^\n()]{1,100}) \(|at |(?P<called>[^\n@]{0,100})@)"
    r"(?P<address>https?://[^\s()]{1,400}?):(?P<line>\d{1,6}):(?P<column>\d{1,6})"
)
_NUMBERS = re.compile(r"\d+")
# what a message may quote of a person: the query of an address, a telephone number, an id
_QUERY = re.compile(r"(https?://[^\s?#]{1,400}|(?<=[\s'\"])/[^\s?#]{0,400})[?#][^\s'\")]+")
_LONG_NUMBER = re.compile(r"\+?\d[\d ()./-]{3,20}\d")
log = logs.logger()


class Told(msgspec.Struct, forbid_unknown_fields=True):
    """What a script says of an error that nobody caught."""

    kind: Annotated[str, msgspec.Meta(max_length=100)]
    message: Annotated[str, msgspec.Meta(max_length=500)]
    stack: Annotated[str, msgspec.Meta(max_length=4_000)]


async def take(request: Request, shop: str, place: Place) -> Outcome:
    """Log an error a browser tells, which reports it; raises BadInputError, TooLargeError, and
    TooOftenError beyond the limits of the shop and of whoever asks.
    """
    told = _read(await read_body(request))
    cache = request.state.stores.cache
    frames = _frames(told.stack)
    if not frames:
        return _counted(place, "foreign")  # of the theme, or of another app
    for name, subject, rate, burst in (
        ("browser_errors_address", _whose(request), ADDRESS_PER_SECOND, ADDRESS_BURST),
        ("browser_errors_shop", shop, SHOP_PER_SECOND, SHOP_BURST),
    ):
        allowed = await limits.take(cache, name, subject, rate_per_second=rate, burst=burst)
        if not allowed.is_allowed:
            metrics.BROWSER_ERRORS.labels(place, "limited").inc()
            raise TooOftenError(allowed.retry_after_seconds)
    mark = fingerprint(told, frames)
    first = await limits.take(cache, "browser_error_again", mark, rate_per_second=1 / ONCE_SECONDS)
    if not first.is_allowed:
        return _counted(place, "again")
    log.error(
        "browser error",
        service=place,
        kind=told.kind,
        message=_of_nobody(told.message),
        frames=frames,
        fingerprint=mark,
    )
    return _counted(place, "told")


def fingerprint(told: Told, frames: list[dict[str, Any]]) -> str:
    """The same for the same error of the same place in the source, whatever its figures are."""
    top = frames[-1]
    where = f"{top['filename']}:{top['function']}:{top.get('context_line') or top['lineno']}"
    said = _NUMBERS.sub("0", told.message)
    return hashlib.sha256(f"{told.kind}\n{said}\n{where}".encode()).hexdigest()[:32]


def _of_nobody(message: str) -> str:
    """Without what may tell who it was; addresses of mail are cut out of every line."""
    return _LONG_NUMBER.sub("[number]", _QUERY.sub(r"\1?[cut]", message))


def _counted(place: Place, outcome: Outcome) -> Outcome:
    metrics.BROWSER_ERRORS.labels(place, outcome).inc()
    return outcome


def _read(body: bytes) -> Told:
    if len(body) > BODY_BYTES_MAX:
        raise TooLargeError("What is told of an error is larger than 6 kB.")
    try:
        return msgspec.json.decode(body, type=Told)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadInputError("The request has another shape than expected.") from None


def _whose(request: Request) -> str:
    """Who asks, for as long as a bucket lives, and not to be read back from it."""
    forwarded = request.headers.get("x-forwarded-for", "").partition(",")[0].strip()
    address = forwarded or (request.client.host if request.client else "")
    return hashlib.sha256(address[:64].encode()).hexdigest()[:16]


def _frames(stack: str) -> list[dict[str, Any]]:
    """The frames in our own files, the innermost last, as error trackers have them."""
    found = [_frame(one) for one in _FRAME.finditer(stack)]
    return [one for one in found if one is not None][:FRAMES_MAX][::-1]


def _frame(found: re.Match[str]) -> dict[str, Any] | None:
    try:
        address = urlsplit(found["address"])
    except ValueError:  # `https://[` begins no address
        return None
    name = _ours(address.path)
    if name is None:
        return None
    line = int(found["line"])
    edition = parse_qs(address.query).get("v", [""])[0]
    return {
        "filename": name,
        "function": _of_nobody((found["named"] or found["called"] or "?").strip()),
        "lineno": line,
        "colno": int(found["column"]),
        "in_app": True,
        "context_line": _source(name, edition, line),
    }


def _ours(path: str) -> str | None:
    """The name under static/ of the script at this address, here or on a theme's CDN."""
    script = PurePosixPath(path).name
    within = path.partition("/static/")[2]
    if within in files.known:
        return within
    named = (one for one in files.known if one == f"widget/{script}" and "/assets/" in path)
    return next(named, None)


def _source(name: str, edition: str, line: int) -> str:
    """The line itself, when the browser has the edition that is here."""
    known = files.known[name]
    if edition and edition != known.digest:
        return ""
    lines = known.body.decode(errors="replace").splitlines()
    return lines[line - 1].strip()[:LINE_LENGTH_MAX] if 0 < line <= len(lines) else ""
