"""A shop lives in one cell: there everything of it is answered, elsewhere nothing is."""

from dataclasses import replace

import pytest

from app import cells, db
from app import config as settings
from app.flow.lanes import lane
from tests.admin.staff import Staff
from tests.conftest import SECRET
from tests.points.world import ALICE
from tests.storefront.callers import bearer, proxied
from tests.web_app import all_beat, fresh_process, install, open_app
from tests.webhook import signed_headers

CHARLIES = "charlie.myshopify.com"
BODY = b'{"id": 1}'
SENTENCE = "This shop lives in cell 2 of Holdfast, and this is cell 1."


@pytest.fixture(autouse=True)
def _fresh_process() -> None:
    fresh_process()


@pytest.fixture
async def here(stores: db.Stores, config: settings.Config):
    """The web of cell 1, where Charlie's shop does not live any more."""
    await install(ALICE, CHARLIES)
    await all_beat(stores)
    ours = replace(config, shop_cells={CHARLIES: "2"})
    async with open_app(ours, replace(stores, config=ours)) as asking:
        yield asking


def test_without_any_setting_all_shops_live_in_the_one_cell_there_is(
    config: settings.Config,
) -> None:
    assert cells.cell_of(ALICE, config) == config.cell
    cells.refuse_others(ALICE, config, "page")


def test_shops_that_are_not_named_live_in_the_first_cell_and_nowhere_else(
    config: settings.Config,
) -> None:
    second = replace(config, cell="2", shop_cells={CHARLIES: "2"})
    cells.refuse_others(CHARLIES, second, "page")
    with pytest.raises(cells.ElsewhereError):
        cells.refuse_others(ALICE, second, "page")


def test_the_cells_come_from_the_settings(embedded) -> None:
    environment = {
        **embedded.environment,
        "HOLDFAST_CELL": "2",
        "SHOP_CELLS": f"{CHARLIES}=2, dora.myshopify.com=3",
    }
    config = settings.load(environment)
    assert config.cell == "2"
    assert config.shop_cells == {CHARLIES: "2", "dora.myshopify.com": "3"}
    with pytest.raises(settings.MissingSettingsError, match="SHOP_CELLS"):
        settings.load({**environment, "SHOP_CELLS": CHARLIES})


async def test_a_webhook_of_a_shop_that_lives_elsewhere_is_refused_and_never_kept(
    here, stores: db.Stores
) -> None:
    async def deliver(shop: str):
        headers = signed_headers(BODY, "orders/paid", shop, SECRET)
        return await here.post("/webhooks", content=BODY, headers=headers)

    refused = await deliver(CHARLIES)
    assert (refused.status_code, refused.json()["error"]["message"]) == (421, SENTENCE)
    assert await lane.lane_length(stores.queue, CHARLIES) == 0
    async with db.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM spilled_webhooks") == 0
    assert (await deliver(ALICE)).status_code == 200
    assert await lane.lane_length(stores.queue, ALICE) == 1


async def test_pages_of_a_shop_that_lives_elsewhere_are_refused_with_a_sentence(
    here, config: settings.Config
) -> None:
    refused = await Staff(here, config, CHARLIES).get("/")
    assert refused.status_code == 421
    assert SENTENCE in refused.text
    assert (await Staff(here, config, ALICE).get("/")).status_code == 200


@pytest.mark.parametrize("door", ["proxy", "token"])
async def test_shoppers_of_a_shop_that_lives_elsewhere_are_refused_with_a_sentence(
    here, door: str
) -> None:
    async def ask(shop: str):
        if door == "proxy":
            return await here.get(proxied("/storefront/me", shop=shop))
        return await here.get("/checkout/me", headers=bearer(dest=shop))

    refused = await ask(CHARLIES)
    assert (refused.status_code, refused.json()["error"]["message"]) == (421, SENTENCE)
    assert (await ask(ALICE)).status_code == 200


async def test_what_is_refused_is_counted_by_its_door(here, config: settings.Config) -> None:
    counter = cells.metrics.MISDIRECTED.labels("page")
    before = counter._value.get()
    await Staff(here, config, CHARLIES).get("/status")
    assert counter._value.get() == before + 1
