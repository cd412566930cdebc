"""Which copies of campaigns still count, months later and after many edits."""

import pytest

from app import db
from app.points import handlers
from app.points.earning.campaigns import copies
from tests.points import world
from tests.points.earning.campaigns.told import campaign, days_ago, told
from tests.points.world import ALICE, figures, line, one, paid

pytestmark = pytest.mark.usefixtures("stores")


async def handle(*events) -> None:
    async with db.transaction() as conn:
        await handlers.handle(conn, list(events))


@pytest.mark.parametrize("state", ["ended", "live"])
async def test_what_ended_months_ago_does_not_count_again_by_the_version_before(state: str) -> None:
    """The version that ended it says until when; the one before it had no end."""
    await world.program(ALICE)
    endless = campaign("For ever", starts_at=days_ago(300))
    over = campaign(
        "For ever",
        campaign_id=endless.campaign_id,
        version=2,
        state=state,
        starts_at=days_ago(300),
        ends_at=days_ago(copies.KEPT_DAYS + 10),
    )
    at = days_ago(copies.KEPT_DAYS + 10)
    await handle(*told(endless, at=days_ago(300)), *told(over, at=at))
    await handle(paid("1", line("10.00")))
    assert await figures() == {"available": 10}


async def test_a_campaign_counts_however_often_others_were_edited_since(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(copies, "COPIES_MAX", 10)
    await world.program(ALICE)
    steady, busy = campaign("Steady"), campaign("Busy", effect="add", value="1")
    edits = [
        campaign("Busy", campaign_id=busy.campaign_id, version=2 + n, effect="add", value="1")
        for n in range(20)
    ]
    await handle(*told(steady, busy, *edits, at=days_ago(1)))
    await handle(paid("1", line("10.00")))
    assert await figures() == {"available": 21}
    assert await one("SELECT count(*) FROM campaign_copies") == 22
