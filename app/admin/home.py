"""Home: what a merchant looks at first."""

import asyncio
from dataclasses import dataclass

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.core import reads as core_reads
from app.flow import dead_letters
from app.points.members import reads as points_reads
from app.points.pages import chart
from app.points.pages import program as program_pages
from app.points.views import Overview, RewardView
from app.resilience import health
from app.services import PROCESSES
from app.web import pages, wording
from app.web.pages import Visit, admin_page

DAYS = 30


@dataclass(frozen=True, slots=True)
class Attention:
    """Something for the merchant to look at on the status page; `action` is what the button
    says.
    """

    tone: str  # critical | warning
    title: str
    text: str
    action: str


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a shop, and the names of those its newest movements are about."""

    overview: Overview
    names: dict[str, str]  # by customer id; who is not in it is shown by number


@admin_page
async def home(visit: Visit) -> Response:
    shop, stores = visit.shop, visit.stores
    program, figures, rewards, letters, waiting = await asyncio.gather(
        program_pages.ready(visit),
        pages.read(stores, f"home:{shop}", lambda: _figures(shop), Figures),
        pages.read(stores, f"rewards:{shop}", lambda: points_reads.rewards(shop), list[RewardView]),
        pages.attempt(lambda: dead_letters.count_for_shop(shop)),
        pages.attempt(lambda: points_reads.waiting_redemptions(shop)),
    )
    found = figures.value.overview if figures.value else None
    days = [(day.day, day.earned, day.spent) for day in found.days] if found else []
    return pages.render(
        visit,
        "admin/home.html",
        heading="Home",
        readings=[figures],
        attention=_attention(letters, waiting, visit.board),
        overview=found,
        names=figures.value.names if figures.value else {},
        days=days,
        chart=chart.draw(days),
        earned=sum(earned for _, earned, _ in days),
        spent=sum(spent for _, _, spent in days),
        example=program_pages.example_of(program.value),
        worth=_worth(rewards.value, found, visit.currency),
        storefront=visit.stores.config.shopify_url.format(shop=shop),
    )


async def _figures(shop: str) -> Figures:
    overview = await points_reads.overview(shop, DAYS)
    names = await core_reads.names(shop, {one.customer_id for one in overview.newest})
    return Figures(overview, names)


def _worth(rewards: list[RewardView] | None, overview: Overview | None, currency: str) -> str:
    """What all points together could become at the dearest exchange a merchant offers: what the
    programme may cost.
    """
    best = max((row.amount_off / row.cost for row in rewards or [] if row.is_active), default=None)
    if best is None or overview is None or not overview.outstanding:
        return ""
    return f"worth up to {wording.money(best * overview.outstanding, currency)} in rewards"


def _attention(letters: int | None, waiting: int | None, board: health.Board) -> list[Attention]:
    """What needs the merchant; None for what could not be read, so that all is never said to be
    well unseen.
    """
    found = []
    if letters is None or waiting is None:
        text = "The database is not answering. Nothing is lost, and this list fills by itself."
        found.append(
            Attention("critical", "What needs you cannot be read just now", text, "Status")
        )
    if letters:
        title = "1 event was set aside" if letters == 1 else f"{letters:,} events were set aside"
        it, them = ("It", "it") if letters == 1 else ("They", "them")
        text = f"{it} could not be handled. See why, and replay {them}."
        found.append(Attention("critical", title, text, "Review"))
    if waiting:
        title = (
            "1 reward is being prepared"
            if waiting == 1
            else f"{waiting:,} rewards are being prepared"
        )
        text = (
            "Their points are held until Shopify has made the discount code; Holdfast keeps "
            "trying by itself."
        )
        found.append(Attention("warning", title, text, "Status"))
    late = [
        process.title.lower()
        for name, process in PROCESSES.items()
        if health.service_notice(board, name) != "healthy"
    ]
    if board.is_remembered:
        text = "New orders are kept safe and add their points when it is back."
        found.append(Attention("warning", "The queue is not answering", text, "Status"))
    elif late:
        title = f"The {_joined(late)} {'service is' if len(late) == 1 else 'services are'} behind"
        text = "Work waits in order and is done when it is back; nothing is lost."
        found.append(Attention("warning", title, text, "Status"))
    return found


def _joined(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


routes: list[BaseRoute] = [Route("/", home, name="home")]
