"""Points on the home page: the figures, the last 30 days, and what needs the merchant."""

import asyncio
from dataclasses import dataclass
from datetime import date

from app.core import reads as core_reads
from app.points.members import reads
from app.points.pages import chart, program
from app.points.pages.chart import Chart
from app.points.views import Overview, RewardView
from app.resilience.reading import Reading
from app.web import panels, wording
from app.web.pages import Visit
from app.web.panels import Attention, Home, Panel

SERVICE = "points"
DAYS = 30


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a shop, and the names of those its newest movements are about."""

    overview: Overview
    names: dict[str, str]  # by customer id; who is not in it is shown by number


@dataclass(frozen=True, slots=True)
class Shown:
    """The figures with what they mean: the chart, their sums, what all points could become."""

    overview: Overview
    names: dict[str, str]
    days: list[tuple[date, int, int]]  # points earned and spent, the oldest first
    chart: Chart
    earned: int
    spent: int
    worth: str
    example: str  # what an order earns
    storefront: str  # its address


async def load(visit: Visit) -> Reading[Shown]:
    """The figures, in the shop's days; the first look gives a new shop its programme."""
    shop = visit.shop
    current, figures, rewards = await asyncio.gather(
        program.ready(visit),
        panels.read(visit, SERVICE, "home", lambda: _figures(shop), Figures),
        panels.read(visit, SERVICE, "rewards", lambda: reads.rewards(shop), list[RewardView]),
    )
    example = program.example_of(current.value)
    return figures.map(lambda found: _shown(found, rewards.value or [], example, visit))


async def _figures(shop: str) -> Figures:
    overview = await reads.overview(shop, DAYS)
    names = await core_reads.names(shop, {one.customer_id for one in overview.newest})
    return Figures(overview, names)


def _shown(found: Figures, rewards: list[RewardView], example: str, visit: Visit) -> Shown:
    days = [(day.day, day.earned, day.spent) for day in found.overview.days]
    return Shown(
        found.overview,
        found.names,
        days,
        chart.draw(days),
        sum(earned for _, earned, _ in days),
        sum(spent for _, _, spent in days),
        _worth(rewards, found.overview, visit.currency),
        example,
        visit.stores.config.shopify_url.format(shop=visit.shop),
    )


def _worth(rewards: list[RewardView], overview: Overview, currency: str) -> str:
    """What all points together could become at the dearest exchange a merchant offers: what the
    programme may cost.
    """
    best = max((row.amount_off / row.cost for row in rewards if row.is_active), default=None)
    if best is None or not overview.outstanding:
        return ""
    return f"worth up to {wording.money(best * overview.outstanding, currency)} in rewards"


async def attention(visit: Visit) -> list[Attention]:
    """Rewards that wait for their code."""
    waiting = await reads.waiting_redemptions(visit.shop)
    if not waiting:
        return []
    title = (
        "1 reward is being prepared" if waiting == 1 else f"{waiting:,} rewards are being prepared"
    )
    text = (
        "Their points are held until Shopify has made the discount code; Holdfast keeps "
        "trying by itself."
    )
    return [Attention("warning", title, text, "Health")]


HOME = Home(
    SERVICE,
    (
        Panel(
            SERVICE,
            "Your program",
            "points/overview.html",
            load,
            is_nothing=lambda shown: not shown.overview.members,
            first_template="points/first_points.html",
        ),
    ),
    attention,
)
