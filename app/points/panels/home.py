"""Points on the home page: the figures, the last 30 days, and what needs the merchant."""

import asyncio
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from app.core import reads as core_reads
from app.core.looks import reads as looks
from app.core.looks.views import Setup
from app.points.members import reads
from app.points.pages import chart, heard, program, rule_form
from app.points.pages.chart import Chart
from app.points.panels import figures
from app.points.views import Overview, Program, RewardView
from app.resilience.reading import Reading
from app.web import panels, wording
from app.web.pages import Visit
from app.web.panels import Attention, Home, Panel

SERVICE = "points"
DAYS, PHONE_DAYS = 30, 10
NOT_LIVE = {
    "draft": (
        "The program has not started yet",
        "Orders are recorded and earn nothing until you start it.",
    ),
    "paused": (
        "The program is paused",
        "Orders are recorded and earn nothing, and rewards cannot be used.",
    ),
}


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a shop, and the names of those its newest movements are about."""

    overview: Overview
    names: dict[str, str]  # by customer id; who is not in it is shown by number


@dataclass(frozen=True, slots=True)
class Step:
    """A step of setting the programme up; `path` is where it is done."""

    title: str
    text: str
    path: str
    is_done: bool


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
    phone_chart: Chart  # of the newest days
    steps: list[Step]  # of setting up, as long as some are left


async def load(visit: Visit) -> Reading[Shown]:
    """The figures, in the shop's days; the first look gives a new shop its programme."""
    shop = visit.shop
    current, figures, rewards, setup = await asyncio.gather(
        program.ready(visit),
        panels.read(visit, SERVICE, "home", lambda: _figures(shop), Figures, may_be_old=True),
        panels.read(visit, SERVICE, "rewards", lambda: reads.rewards(shop), list[RewardView]),
        panels.read(visit, SERVICE, "setup", lambda: looks.setup(shop), Setup),
    )
    example = rule_form.example_of(current.value)
    return figures.map(
        lambda found: _shown(found, rewards.value or [], example, current.value, setup.value, visit)
    )


async def _figures(shop: str) -> Figures:
    overview = await reads.overview(shop, DAYS)
    names = await core_reads.names(shop, {one.customer_id for one in overview.newest})
    return Figures(overview, names)


def _shown(
    found: Figures,
    rewards: list[RewardView],
    example: str,
    current: Program | None,
    setup: Setup | None,
    visit: Visit,
) -> Shown:
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
        chart.draw_narrow(days[-PHONE_DAYS:]),
        [] if current is None or setup is None else _steps(current, rewards, found.overview, setup),
    )


def _steps(
    current: Program, rewards: list[RewardView], overview: Overview, setup: Setup
) -> list[Step]:
    """What is left to set up, with what was done; nothing once all of it is."""
    is_draft = current.state == "draft"
    steps = [
        Step(
            "Look at the rules",
            "How many points an order earns, when they can be spent and whether they expire.",
            "/program",
            is_done=not is_draft or current.edited_by not in {"", "Holdfast"},
        ),
        Step(
            "Offer a reward",
            "What points buy: money off, free shipping, a product, a gift card.",
            "/rewards",
            is_done=any(one.is_active for one in rewards),
        ),
        Step(
            "Start the program",
            "Until then orders are recorded and earn nothing. See it as a shopper first.",
            "/program",
            is_done=not is_draft,
        ),
        Step(
            "Choose how the widget looks",
            "Its colours, its button and what it says. Save it as it is if you like it.",
            "/appearance",
            is_done=setup.has_look,
        ),
        Step(
            "Switch the widget on",
            "In Shopify: Online Store, Themes, Customize, App embeds, Holdfast. Then open your "
            "store once.",
            "/appearance",
            is_done=setup.seen_at is not None,
        ),
        Step(
            "Place a test order",
            "Order something as a customer: the points appear within seconds of the payment.",
            "/customers",
            is_done=bool(overview.newest),
        ),
    ]
    return [] if all(one.is_done for one in steps) else steps


def _worth(rewards: list[RewardView], overview: Overview, currency: str) -> str:
    """What all points together could become at the dearest exchange a merchant offers: what the
    programme may cost.
    """
    best = max((_each(row) for row in rewards if row.is_active), default=Decimal(0))
    if not best or not overview.outstanding:
        return ""
    return f"worth up to {wording.money(best * overview.outstanding, currency)} in rewards"


def _each(reward: RewardView) -> Decimal:
    """What a point is worth in money at most; a percentage and free shipping have no such worth."""
    choose = reward.details.choose
    if choose is None:
        return reward.amount_off / reward.cost
    if reward.kind == "percent_off":
        return Decimal(0)
    return Decimal(choose.unit) / choose.points_per_unit


async def attention(visit: Visit) -> list[Attention]:
    """A programme that is not live, campaigns it hears nothing of, and rewards that wait for their
    code.
    """
    found = await heard.attention(visit)
    state = (await reads.program(visit.shop)).state
    if state in NOT_LIVE:
        found.append(Attention("warning", *NOT_LIVE[state], "Program", path="/program"))
    waiting = await reads.waiting_redemptions(visit.shop)
    if not waiting:
        return found
    title = (
        "1 reward is being prepared" if waiting == 1 else f"{waiting:,} rewards are being prepared"
    )
    text = (
        "Their points are held until Shopify has made the discount code; Holdfast keeps "
        "trying by itself."
    )
    return [*found, Attention("warning", title, text, "Health")]


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
        figures.PANEL,
    ),
    attention,
)
