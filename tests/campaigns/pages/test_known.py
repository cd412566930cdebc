"""What the forms of campaigns know of tiers and segments, and say when one is not there."""

from typing import Any

import pytest

from app.campaigns import reads
from app.core import catalog
from app.points.ways import actions as ways
from app.resilience import cache
from app.shopify.graphql import ShopifyRefusedError
from app.web import panels
from tests.admin.staff import open_circuit, text, value
from tests.campaigns.pages.test_pages import WEEKEND, made
from tests.points.earning.campaigns.told import segment
from tests.points.tiers.world import BRONZE, GOLD, tiers
from tests.points.world import ALICE, days_ago, handle


async def test_a_tier_is_named_as_people_call_it_and_kept_by_its_id(alice) -> None:
    await tiers()
    form = await alice.get("/campaigns/new", template="vip_early")
    assert value(form, "audience_names") == "Gold"
    assert "There are: Bronze, Silver, Gold." in text(form)
    one = await made(alice, audience="tiers", audience_names="gold, Silver")
    found = (await reads.campaign(ALICE, one)).campaign
    assert found.audience.names == ["gold", "silver"]
    assert "for Gold or Silver members" in text(await alice.get(f"/campaigns/{one}"))
    edit = await alice.get(f"/campaigns/{one}/edit")
    assert value(edit, "audience_names") == "Gold, Silver"


async def test_a_tier_that_is_not_there_is_refused_beside_its_field(alice) -> None:
    wanted = WEEKEND | {"key": "k" * 12, "audience": "tiers", "audience_names": "Platinum"}
    answer = await alice.post("/campaigns", **wanted)
    assert answer.status_code == 422
    assert "no tier called “Platinum”. This shop has none yet" in text(answer)
    await tiers()
    answer = await alice.post("/campaigns", **wanted)
    assert "There are: Bronze, Silver, Gold." in text(answer)


async def test_a_campaign_for_a_tier_that_is_gone_says_so_by_its_old_name(alice) -> None:
    await tiers()
    one = await made(alice, audience="tiers", audience_names="Silver")
    await tiers(tiers=[BRONZE, GOLD])
    seen = text(await alice.get(f"/campaigns/{one}"))
    assert "for Silver members" in seen
    assert "A tier it names is gone" in seen


async def test_with_tiers_not_to_be_read_a_campaign_for_them_can_still_be_edited(
    alice, stores
) -> None:
    await tiers()
    one = await made(alice, audience="tiers", audience_names="Gold")
    open_circuit(panels.RESOURCES["points"])
    cache.forget()
    await stores.cache.delete(f"cache:page:points:names of tiers:{ALICE}")
    edit = await alice.get(f"/campaigns/{one}/edit")
    assert value(edit, "audience_names") == "Gold"
    fields = WEEKEND | {"version": "1", "audience": "tiers", "audience_names": "Gold", "cap": "9"}
    answer = await alice.post(f"/campaigns/{one}/edit", **fields)
    assert answer.status_code == 200
    found = (await reads.campaign(ALICE, one)).campaign
    assert (found.audience.names, found.cap) == (["gold"], 9)
    answer = await alice.post(f"/campaigns/{one}/edit", **(fields | {"audience_names": "Silver"}))
    assert answer.status_code == 422
    fresh = WEEKEND | {"key": "n" * 12, "audience": "tiers", "audience_names": "Gold"}
    assert "Tiers cannot be read at this moment" in text(await alice.post("/campaigns", **fresh))


async def test_a_segment_nobody_knows_is_a_warning(alice) -> None:
    one = await made(alice, audience="segments", audience_names="At risk")
    assert "This shop has no segments yet" in text(await alice.get(f"/campaigns/{one}"))


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What Shopify says there is, by its id there; take something out, and it is gone."""
    there = {"gid://shopify/Product/11": "Mug", "gid://shopify/Collection/21": "Winter"}

    async def call(_client, _config, _shop, document: str, variables: dict[str, Any]) -> Any:
        assert document == "titles"
        found = [{"id": one, "title": there[one]} for one in variables["ids"] if one in there]
        return {"nodes": [*found, None]}

    monkeypatch.setattr(catalog.admin_api, "call", call)
    monkeypatch.setattr(catalog, "FRESH_SECONDS", 0.0)
    return there


@pytest.mark.parametrize(
    ("scope", "there", "gone"), [("products", "11", "12"), ("collections", "21", "22")]
)
async def test_a_product_or_collection_that_is_not_there_is_refused_beside_its_field(
    alice, shelf, scope: str, there: str, gone: str
) -> None:
    wanted = WEEKEND | {"key": "k" * 12, "scope": scope, "ids": f"{there}, {gone}"}
    answer = await alice.post("/campaigns", **wanted)
    assert answer.status_code == 422
    noun = {"products": "Product", "collections": "Collection"}[scope]
    assert f"{noun} {gone} is not in this shop (any more). Please take it out" in text(answer)
    assert await reads.total(ALICE) == 0
    answer = await alice.post("/campaigns", **(wanted | {"ids": there}))
    assert answer.status_code == 200
    assert f"on {list(shelf.values())[scope == 'collections']}" in text(answer)


async def test_a_campaign_on_a_product_that_was_deleted_says_so(alice, shelf) -> None:
    one = await made(alice, scope="products", ids="11")
    shelf.clear()
    said = "Product 11 is not in this shop (any more). It gives nothing for that."
    assert said in text(await alice.get(f"/campaigns/{one}"))


async def test_while_shopify_cannot_say_what_is_there_nothing_is_said(
    alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def call(*_: Any) -> Any:
        raise ShopifyRefusedError(403)

    monkeypatch.setattr(catalog.admin_api, "call", call)
    one = await made(alice, scope="products", ids="11")
    assert "not in this shop" not in text(await alice.get(f"/campaigns/{one}"))


async def test_a_segment_is_kept_by_its_own_name_and_one_nobody_is_in_is_said(alice) -> None:
    await alice.get("/")
    await handle(segment(days_ago(1), "", "At_Risk"))
    one = await made(alice, audience="segments", audience_names="AT_RISK")
    found = (await reads.campaign(ALICE, one)).campaign
    assert found.audience.names == ["At_Risk"]
    other = await made(alice, audience="segments", audience_names="Gone", key="another-key")
    seen = text(await alice.get(f"/campaigns/{other}"))
    assert "Nobody is in a segment called “Gone” at this moment." in seen


@pytest.mark.parametrize("trigger", ["birthday", "account"])
async def test_a_campaign_for_a_way_that_is_off_says_so_in_its_form(alice, trigger: str) -> None:
    await alice.get("/")
    query = WEEKEND | {"trigger": trigger, "effect": "add", "value": "50"}
    said = text(await alice.get("/campaigns/sentence", **query))
    assert "It gives nothing while" in said
    assert "on the page Ways to earn" in said
    await ways.make(ALICE, trigger, {"title": "A way", "points": 10}, "Alice")
    assert "It gives nothing while" not in text(await alice.get("/campaigns/sentence", **query))
