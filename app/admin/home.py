"""Home: what a merchant looks at first, put together from the services' panels."""

import asyncio
from collections.abc import Sequence

from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from app.campaigns import panels as campaigns_panels
from app.flow import shown_letters
from app.points.panels import home as points_home
from app.referrals.panels import home as referrals_home
from app.resilience import health
from app.services import PROCESSES
from app.web import browser_errors, pages, panels
from app.web.pages import Page, Visit, admin_page
from app.web.panels import Attention, Home

# one line a service that home shows something of
HOMES: tuple[Home, ...] = (points_home.HOME, campaigns_panels.HOME, referrals_home.HOME)


@admin_page
async def home(visit: Visit) -> Response:
    drawn, told, letters = await asyncio.gather(
        panels.draw(visit, [panel for one in HOMES for panel in one.panels]),
        panels.attention(visit, HOMES),
        pages.attempt(lambda: shown_letters.count_for_shop(visit.shop)),
    )
    return pages.render(
        visit,
        "admin/home.html",
        heading="Home",
        readings=panels.shared_trouble(drawn),
        attention=_attention(letters, told, visit.board),
        panels=drawn,
        is_trouble_shared=bool(panels.shared_trouble(drawn)),
    )


def _attention(
    letters: int | None, told: Sequence[list[Attention] | None], board: health.Board
) -> list[Attention]:
    """What needs the merchant; None for what could not be read, so that all is never said to be
    well unseen.
    """
    found = []
    if letters is None or None in told:
        text = "The database is not answering. Nothing is lost, and this list fills by itself."
        found.append(
            Attention("critical", "What needs you cannot be read just now", text, "Health")
        )
    if letters:
        title = (
            "1 message from Shopify was set aside"
            if letters == 1
            else f"{letters:,} messages from Shopify were set aside"
        )
        it, them = ("It", "it") if letters == 1 else ("They", "them")
        text = f"{it} could not be handled. See why, and try {them} again."
        found.append(Attention("critical", title, text, "Review"))
    found += [line for lines in told for line in lines or []]
    late = [
        process.title.lower()
        for name, process in PROCESSES.items()
        if health.service_notice(board, name) != "healthy"
    ]
    if board.is_remembered:
        text = "New orders are kept safe and add their points when it is back."
        found.append(Attention("warning", "The queue is not answering", text, "Health"))
    elif late:
        title = f"The {_joined(late)} {'part is' if len(late) == 1 else 'parts are'} behind"
        title = "All parts are behind" if len(late) == len(PROCESSES) else title
        text = "Work waits in order and is done when it is back; nothing is lost."
        found.append(Attention("warning", title, text, "Health"))
    return found


def _joined(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


@admin_page
async def browser_error(visit: Visit) -> Response:
    """An error of a script of these pages."""
    outcome = await browser_errors.take(visit.request, visit.shop, "admin")
    return JSONResponse({"outcome": outcome}, 202)


routes: list[BaseRoute] = [
    Page("/", home, "Home"),
    Route("/errors", browser_error, methods=["POST"]),
]
