"""Campaigns slow, down or behind: pages show what was true last and say so, others are whole."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from app.campaigns import reads
from app.resilience import health
from app.web import panels
from tests.admin.conftest import _fresh_process, alice, charlie, http
from tests.admin.staff import buys, open_circuit, text
from tests.campaigns.test_actions import ALICE, launched
from tests.campaigns.test_results import BOB, handle, moved

__all__ = ["_fresh_process", "alice", "charlie", "http"]


async def test_with_its_reads_away_pages_show_the_last_campaigns_and_home_marks_one_panel(
    alice,
) -> None:
    await buys()
    one = await launched("k1", ends_at=None)
    paths = ("/campaigns", f"/campaigns/{one.campaign_id}", "/campaigns/calendar", "/")
    for path in paths:
        await alice.get(path)
    open_circuit(panels.RESOURCES["campaigns"])
    for path in paths[:-1]:
        answer = await alice.get(path)
        assert answer.status_code == 200, path
        assert "Double points weekend" in text(answer), path
        assert "Figures as of" in text(answer), path
    home = text(await alice.get("/"))
    assert "Campaigns as of" in home
    assert "Double points weekend" in home
    assert "Points outstanding 49" in home
    assert "Figures as of" not in home, "the rest of the page is not marked"


async def test_with_nothing_kept_a_page_still_opens(alice) -> None:
    one = await launched("k1", ends_at=None)
    open_circuit(panels.RESOURCES["campaigns"])
    at = f"/campaigns/{one.campaign_id}"
    for path in ("/campaigns", at, f"{at}/edit", "/campaigns/calendar", "/campaigns/new", "/"):
        answer = await alice.get(path)
        assert answer.status_code == 200, path
    assert "cannot be read just now" in text(await alice.get(at))
    assert "Campaigns cannot be read just now" in text(await alice.get("/"))


@pytest.mark.hangs
async def test_with_its_reads_hanging_home_waits_no_longer_than_the_deadline(
    alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    await buys()
    await launched("k1", ends_at=None)
    await alice.get("/")

    async def hangs(*_: Any) -> Any:
        await asyncio.sleep(60)

    monkeypatch.setattr(reads, "current", hangs)
    before = asyncio.get_running_loop().time()
    home = text(await alice.get("/"))
    assert asyncio.get_running_loop().time() - before < panels.ISLAND_SECONDS
    assert "Points outstanding 49" in home
    assert "Campaigns as of" in home


async def test_with_its_worker_stopped_figures_are_marked_and_campaigns_are_not(
    alice, stores
) -> None:
    one = await launched("k1", ends_at=None)
    await handle(moved("points.earned", BOB, "order:1", [[one.campaign_id, 2, 50]]))
    await stores.queue.hdel(health.KEY, "campaigns")
    health.forget()
    page = text(await alice.get(f"/campaigns/{one.campaign_id}"))
    assert "What campaigns gave is being counted" in page
    assert "Points given 50" in page
    assert "Running" in page
    assert "Campaigns as of" in text(await alice.get("/"))
    answer = await alice.post(f"/campaigns/{one.campaign_id}/state", state="paused")
    assert "Paused" in text(answer), "a campaign can be stopped all the same"


async def test_a_budget_that_is_nearly_used_is_shown(alice) -> None:
    one = await launched("k1", ends_at=None, budget=100)
    await handle(moved("points.earned", BOB, "order:1", [[one.campaign_id, 2, 95]]))
    page = await alice.get(f"/campaigns/{one.campaign_id}")
    assert "95 of 100 points of the budget are used." in text(page)
    home = text(await alice.get("/"))
    assert "The budget of “Double points weekend” is nearly used" in home
    assert (await reads.current(ALICE, datetime.now(UTC)))[0].results.net == 95
