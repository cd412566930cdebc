"""Product events of shoppers' browsers: told of who agreed to it alone."""

from dataclasses import replace

import pytest

from app import db
from app.telemetry import choices, reports
from tests.points.world import ALICE
from tests.storefront.callers import bearer
from tests.web_app import fresh_process, running_programs


@pytest.mark.parametrize(
    ("query", "told"), [("", []), ("?consent=0", []), ("?consent=1", ["checkout_opened"])]
)
async def test_an_opened_checkout_is_told_with_the_shoppers_consent_alone(
    stores: db.Stores, monkeypatch: pytest.MonkeyPatch, query: str, told: list[str]
) -> None:
    fresh_process()
    choices.forget()
    found: list[str] = []
    monkeypatch.setattr(reports, "capture", lambda event, *_: found.append(event))
    with_key = replace(stores, config=replace(stores.config, posthog_api_key="phc_test"))
    async with running_programs(with_key, ALICE) as http:
        for _ in range(2):
            answer = await http.get(f"/checkout/me{query}", headers=bearer())
            assert answer.status_code == 200
            await choices.settled()
    assert found == told * 2
