"""A merchant's word that nothing is told of how the store uses the app."""

from dataclasses import replace

import pytest

from app import db
from app.telemetry import choices, product, reports

ALICE, CHARLIES = "alice.myshopify.com", "charlie.myshopify.com"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what PostHog was told."""
    choices.forget()
    found: list[str] = []
    monkeypatch.setattr(reports, "capture", lambda event, *_: found.append(event))
    return found


async def tell(stores: db.Stores, shop: str = ALICE) -> None:
    config = replace(stores.config, posthog_api_key="phc_test")
    product.track(product.AppInstalled(), shop, config)
    await choices.settled()


async def test_a_shop_that_opted_out_is_told_of_by_no_process(stores, told) -> None:
    await tell(stores)
    assert told == ["app_installed"]
    await choices.choose(ALICE, is_off=True)
    await tell(stores)
    choices.forget()  # another process
    await tell(stores)
    assert told == ["app_installed"]
    await tell(stores, CHARLIES)
    assert len(told) == 2, "a choice is of its own shop alone"
    await choices.choose(ALICE, is_off=False)
    await tell(stores)
    assert len(told) == 3


async def test_while_nobody_can_say_nothing_is_told(stores, told, monkeypatch) -> None:
    async def away(_shop: str) -> bool:
        raise ConnectionError("the database is away")

    monkeypatch.setattr(choices, "is_off", away)
    await tell(stores)
    assert told == []
    monkeypatch.undo()
    assert choices._known == {}, "it is asked for again the next time"


async def test_in_the_middle_of_a_transaction_the_choice_is_asked_for_beside_it(
    stores, told
) -> None:
    async with db.transaction() as conn:
        await conn.execute("SELECT 1")
        await tell(stores)
        await conn.execute("SELECT 1")
    assert told == ["app_installed"]
