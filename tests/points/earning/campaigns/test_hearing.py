"""Campaigns that are away: what was told of them last counts, and says of when it is."""

from datetime import UTC, datetime

import pytest

from app import db
from app.points import handlers
from app.points.earning.campaigns import hearing
from app.resilience import health
from tests.points import world
from tests.points.arrivals import sentences
from tests.points.earning.campaigns.told import ALICE, campaign, days_ago, facts, told
from tests.points.world import figures, line, paid, refunded

pytestmark = pytest.mark.usefixtures("stores")


async def handle(*events) -> None:
    async with db.transaction() as conn:
        await handlers.handle(conn, list(events))


@pytest.fixture(autouse=True)
async def rules(stores):
    await world.program(ALICE)
    yield
    hearing.forget()


def board(**lines: bool) -> health.Board:
    """One on which processes are alive or not."""
    now = datetime.now(UTC)
    return health.Board(
        (name, health.ServiceHealth(name, alive, 0.0, now, now)) for name, alive in lines.items()
    )


async def test_points_of_an_order_say_of_when_the_campaigns_are_that_counted(monkeypatch) -> None:
    await handle(*told(campaign("Double")))
    heard_at = await hearing.heard_at(ALICE)
    assert heard_at is not None
    await handle(paid("1", line("10.00", 1, "mug"), at=days_ago(1)))
    assert "was away" not in await sentences()
    monkeypatch.setattr(hearing, "_is_away", True)
    await handle(paid("2", line("10.00", 1, "cup"), at=days_ago(1)))
    said = await sentences()
    assert (await figures())["available"] == 40, "the last valid configuration goes on counting"
    when = f"{heard_at.day} {heard_at:%B %Y at %H:%M} UTC"
    assert f"The campaigns part was away: what it had told last, on {when}, counted." in said
    assert said.count("was away") == 1
    await handle(refunded("2", "r1", {"cup": 1}))
    assert (await sentences()).count("was away") == 1, "of the order, not of what follows"
    assert (await facts("points.earned"))[-1]["bonuses"][0][2] == 10


async def test_a_shop_without_campaigns_hears_nothing_of_them(monkeypatch) -> None:
    monkeypatch.setattr(hearing, "_is_away", True)
    await handle(paid("1", line("10.00"), at=days_ago(1)))
    assert await hearing.heard_at(ALICE) is None
    assert "was away" not in await sentences()


@pytest.mark.parametrize(
    ("seen", "is_away"),
    [(board(campaigns=True), False), (board(campaigns=False), True), (board(), True)],
)
def test_campaigns_are_away_when_the_board_says_so(seen, is_away) -> None:
    assert hearing.is_away_on(seen) is is_away


def test_a_board_that_is_only_remembered_says_nothing_of_campaigns() -> None:
    seen = board(campaigns=False)
    seen.is_remembered = True
    assert not hearing.is_away_on(seen)
