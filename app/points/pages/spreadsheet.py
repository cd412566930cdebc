"""What a page lists as a file for a spreadsheet, its limit said in its last line."""

import csv
import io
from collections.abc import Iterable

from starlette.responses import Response

from app.paging import Cursor
from app.points.members import reads
from app.points.members.history import Asked
from app.points.pages.filtering import KINDS
from app.points.views import HistoryEvent
from app.resilience.guard import guard
from app.web import pages, wording

EVENTS_MAX, AT_ONCE = 10_000, 1_000
HEADINGS = ("Date", "What", "Order", "Points", "Why", "By")
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run what begins so


async def events(shop: str, customer_id: str, asked: Asked, timezone: str) -> str:
    """The latest EVENTS_MAX events as CSV, the latest first. Raises NotFoundError, and what the
    guard does while the database is away.
    """
    out = io.StringIO()
    write = csv.writer(out).writerow
    write(HEADINGS)
    at, number = None, 0
    while number < EVENTS_MAX:
        found, links = await _page(shop, customer_id, asked, at)
        for one in found:
            write(_line(one, timezone))
        number += len(found)
        if not links:
            return out.getvalue()
        at = Cursor(tuple(int(part) for part in links.split(".")))
    write([f"These are the latest {EVENTS_MAX:,}; choose days to see those before."])
    return out.getvalue()


async def _page(
    shop: str, customer_id: str, asked: Asked, at: Cursor | None
) -> tuple[list[HistoryEvent], str]:
    found, links = await guard(
        pages.PAGES, lambda: reads.events(shop, customer_id, asked, AT_ONCE, at)
    )
    return found, links.next


def file(text: str, name: str) -> Response:
    """An answer a browser saves as a file; the mark in front makes Excel read it as UTF-8."""
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
    }
    return Response("\ufeff" + text, headers=headers, media_type="text/csv; charset=utf-8")


def _line(event: HistoryEvent, timezone: str) -> Iterable[object]:
    why = " ".join(row.sentence for row in event.rows)
    by = next((row.by for row in event.rows if row.by), "")
    moment = wording.iso(event.effective_at, timezone)
    return moment, KINDS[event.kind], _text(event.order_name), event.change, _text(why), _text(by)


def _text(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text
