"""What shoppers see of campaigns: those that run, and never past their end, whatever is kept."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from app.campaigns import actions, panels
from app.core.models import Shop
from app.own_facts import Audience
from tests.campaigns.test_actions import ALICE, launched
from tests.storefront.callers import proxied
from tests.storefront.conftest import _nothing_remembered, app, http, rewards, take_postgres_away

__all__ = ["_nothing_remembered", "app", "http", "rewards", "take_postgres_away"]


async def seen(http: httpx2.AsyncClient) -> list[dict[str, Any]]:
    body = (await http.get(proxied("/storefront/me"))).json()
    found: list[dict[str, Any]] = body["campaigns"]
    return found


async def test_what_runs_is_told_with_its_words_and_its_end(http, rewards) -> None:
    await Shop.create(domain=ALICE, name="Alice", timezone="Europe/Berlin", currency="EUR")
    ends = datetime.now(UTC) + timedelta(days=3)
    one = await launched("k1", text="Take {value} home", ends_at=ends)
    await launched("k2", trigger="goal_order", goal="100", ends_at=None, name="More")
    await launched("k3", starts_at=datetime.now(UTC) + timedelta(days=1), ends_at=None)
    await launched("k4", audience=Audience("segments", ["At risk"]))
    paused = await launched("k5")
    await actions.set_state(ALICE, paused.campaign_id, "paused", "42")
    first, second = await seen(http)
    assert datetime.fromisoformat(first.pop("ends_at")) == ends
    assert first == {
        "id": one.campaign_id,
        "name": "Double points weekend",
        "text": "Take 2x points home",
        "effect": "multiply",
        "value": "2",
    }
    assert (second["name"], second["ends_at"]) == ("More", None)
    assert second["text"] == "2x points on orders of €100.00 or more."


async def test_an_end_is_kept_from_what_is_remembered_and_with_the_database_away(
    http, rewards, take_postgres_away: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    await launched("k1", ends_at=datetime.now(UTC) + timedelta(days=1), name="Short")
    await launched("k2", ends_at=None, name="Long")
    assert [one["name"] for one in await seen(http)] == ["Short", "Long"]
    take_postgres_away()

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + timedelta(days=1)

    monkeypatch.setattr(panels, "datetime", Later)
    assert [one["name"] for one in await seen(http)] == ["Long"], "from the process' memory"
    panels.forget()
    assert [one["name"] for one in await seen(http)] == ["Long"], "from the cache"


async def test_with_campaigns_away_shoppers_have_all_the_rest(
    http, rewards, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_shop: str, _now: datetime) -> list[Any]:
        raise ConnectionResetError

    await launched()
    monkeypatch.setattr("app.campaigns.reads.running", broken)
    response = await http.get(proxied("/storefront/me"))
    body = response.json()
    assert (response.status_code, body["campaigns"], body["notices"]) == (200, [], [])
    assert len(body["rewards"]) == len(rewards)
    assert body["points"]["source"] == "live"
