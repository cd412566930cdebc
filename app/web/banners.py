"""The sentences above a page that is behind: every page says the same of the same trouble."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.resilience import health
from app.resilience.reading import Reading
from app.services import way_to
from app.web import wording

ROAD = way_to("points")  # the parts between an order and its points


@dataclass(frozen=True, slots=True)
class Banner:
    tone: str  # info | warning | critical
    heading: str
    text: str


def above(board: health.Board, timezone: str, readings: Sequence[Reading[Any]]) -> list[Banner]:
    """What to say above a page made from `readings`: the worst about the data, then about the
    road. Every page says the same of the same trouble.
    """
    found = []
    stale = [reading.as_of for reading in readings if reading.source == "cached" and reading.as_of]
    if any(reading.source == "unavailable" for reading in readings):
        found.append(Banner("critical", "Some figures cannot be shown just now", f"{AWAY} {SAFE}"))
    elif stale:
        found.append(
            Banner(
                "warning",
                f"Figures as of {wording.clock(min(stale), timezone)}",
                f"{AWAY} {SAFE}",
            )
        )
    elif behind := [one.as_of for one in readings if _is_behind(one) and one.as_of]:
        found.append(
            Banner("info", f"Figures as of {wording.clock(min(behind), timezone)}", BEHIND)
        )
    if board.is_remembered:
        found.append(Banner("warning", "Updates are on their way", QUEUE_AWAY))
        return found
    late = [name for name in ROAD if health.service_notice(board, name) != "healthy"]
    if late:
        moments = [
            line.caught_up_at for name in late if (line := board.get(name)) and line.caught_up_at
        ]
        as_of = (
            f"Balances are as of {wording.clock(min(moments), timezone)}; updates"
            if moments
            else "Updates"
        )
        found.append(Banner("warning", "Points are catching up", f"{as_of} are on their way."))
    return found


def _is_behind(one: Reading[Any]) -> bool:
    """Whether what a copy of the database said is old enough to be worth a word."""
    if not one.is_live or one.as_of is None:
        return False
    return (datetime.now(UTC) - one.as_of).total_seconds() > BEHIND_SECONDS


BEHIND_SECONDS = 2.0  # a copy that follows is a second behind at most, as far as anybody can tell
BEHIND = "They come from a copy of the database that is a few seconds behind."
AWAY = "The database is not answering."
SAFE = (
    "Nothing is lost and orders are still taken in, but changes cannot be saved until it is back."
)
QUEUE_AWAY = (
    "The queue between Shopify and Holdfast is not answering. Pages are read straight from the "
    "ledger and may be slower; new orders are kept safe and add their points when it is back."
)
