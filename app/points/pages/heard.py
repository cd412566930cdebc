"""What points says of campaigns while their service is away: as of when it goes by them."""

from datetime import datetime

from app.points.earning.campaigns import hearing
from app.web import panels, wording
from app.web.banners import Banner
from app.web.pages import Visit
from app.web.panels import Attention

SERVICE = "points"
TEXT = (
    "The campaigns part is away. Orders go on earning by what it told last, every end is kept, and "
    "a bonus that turns out to be due comes later."
)


async def attention(visit: Visit) -> list[Attention]:
    """The same for the home page. Raises when it cannot be read."""
    if not hearing.is_away_on(visit.board):
        return []
    heard_at = await hearing.heard_at(visit.shop)
    if heard_at is None:
        return []
    return [Attention("warning", _title(visit, heard_at), TEXT, "Campaigns", path="/campaigns")]


async def notes(visit: Visit) -> list[Banner]:
    """What stands above pages whose points depend on campaigns."""
    if not hearing.is_away_on(visit.board):
        return []
    found = await panels.read(
        visit, SERVICE, "campaigns heard", lambda: hearing.heard_at(visit.shop), datetime | None
    )
    return [] if found.value is None else [Banner("warning", _title(visit, found.value), TEXT)]


def _title(visit: Visit, heard_at: datetime) -> str:
    return f"Points go by your campaigns as of {wording.clock(heard_at, visit.timezone)}"
