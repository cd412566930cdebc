"""Figures a merchant lives by, over a range of days beside the range before it."""

from dataclasses import dataclass
from decimal import Decimal

from app.points.figures import reads
from app.points.figures.reads import RANGES, Kept
from app.points.figures.rules import MICROS, Figures
from app.resilience import reading
from app.resilience.reading import Reading
from app.web import panels, wording
from app.web.pages import Visit
from app.web.panels import Panel

SERVICE = "points"
USUAL = 30  # days
UNKNOWN = "\N{EN DASH}"
# what each figure means, for the list below them
MEANINGS = {
    "Members gained": "Customers who became members in these days: with an account, or with their "
    "first points.",
    "Points earned": "Points that orders and other ways to earn gave, those on hold-back too. "
    "What a refund takes back later is not taken off here.",
    "Points spent": "Points that became a reward. Those set aside for a code that is still being "
    "made are not in it.",
    "Points expired": "Points that were not spent in time.",
    "Liability": "Points members have at the end of the range, those on hold-back and those set "
    "aside for a code with them: what the program still owes.",
    "Redemption rate": "Points spent for every hundred earned in the same days.",
    "Orders with a reward": "Paid orders placed in these days in which a code from Holdfast was "
    "used, and their merchandise that stands: without tax, shipping and what was refunded.",
    "Members who came back": "Of the members who ordered in these days, the share who had ordered "
    "before that order. Orders that were cancelled do not count.",
    "Others who came back": "The same of customers whose orders earned nothing, because the "
    "program was not live for them. Guests without an account are in neither.",
    "Referrals rewarded": "Friends whose order counted in these days and gave points to who "
    "invited them, which were not taken back.",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A figure with the one of the range before, both as they are written; `trend` is up, down or
    empty.
    """

    label: str
    value: str
    note: str
    trend: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    days: int
    is_due: bool  # newer ones are being added up
    ranges: tuple[int, ...]
    lines: list[Line]
    meanings: dict[str, str]


def asked_days(visit: Visit) -> int:
    """The range that the address asks for, one of RANGES."""
    typed = visit.request.query_params.get("days", "")
    return int(typed) if typed in map(str, RANGES) else USUAL


async def load(visit: Visit) -> Reading[Shown]:
    """The figures as they were last added up, which this has done again; None at first."""
    shop, days = visit.shop, asked_days(visit)
    found = await panels.read(
        visit, SERVICE, f"figures:{days}", lambda: reads.newest(shop, days), Kept | None
    )
    if found.value is None:
        return Reading(None, found.as_of, found.source)
    shown = _shown(found.value, visit.currency)
    # what is added up in the background is of that moment, and no fault
    return reading.live(shown, found.value.as_of) if found.is_live else found.map(lambda _: shown)


def _shown(kept: Kept, currency: str) -> Shown:
    now, before = kept.compared.now, kept.compared.before
    lines = [
        _count("Members gained", now.joined, before.joined),
        _count("Points earned", now.earned, before.earned),
        _count("Points spent", now.spent, before.spent),
        _count("Points expired", now.expired, before.expired),
        _count("Liability", now.outstanding, before.outstanding, " points"),
        _share("Redemption rate", now.redemption_rate, before.redemption_rate),
        _revenue(now, before, currency),
        _share("Members who came back", now.member_rate, before.member_rate),
        _share("Others who came back", now.other_rate, before.other_rate),
        _count("Referrals rewarded", now.referrals, before.referrals),
    ]
    return Shown(kept.days, kept.is_due, RANGES, lines, MEANINGS)


def _count(label: str, now: int, before: int, unit: str = "") -> Line:
    return Line(label, f"{now:,}{unit}", f"{before:,} before", _trend(now, before))


def _share(label: str, now: float | None, before: float | None) -> Line:
    note = "no figure before" if before is None else f"{before:.0%} before"
    return Line(label, UNKNOWN if now is None else f"{now:.0%}", note, _trend(now, before))


def _revenue(now: Figures, before: Figures, currency: str) -> Line:
    label = "Orders with a reward"
    if now.reward_orders is None or now.reward_revenue is None:
        return Line(label, UNKNOWN, "too many orders to add up here")
    value = wording.money(Decimal(now.reward_revenue) / MICROS, currency)
    count = f"{now.reward_orders:,} {'order' if now.reward_orders == 1 else 'orders'}"
    then = wording.money(Decimal(before.reward_revenue or 0) / MICROS, currency)
    return Line(
        label, value, f"{count}; {then} before", _trend(now.reward_revenue, before.reward_revenue)
    )


def _trend(now: float | None, before: float | None) -> str:
    if now is None or before is None or now == before:
        return ""
    return "up" if now > before else "down"


PANEL = Panel(
    SERVICE,
    "What your program brings",
    "points/figures.html",
    load,
)
