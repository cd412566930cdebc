"""What the forms of campaigns know of tiers and segments, and say when one is not there."""

from app.campaigns import reads
from app.resilience import cache
from app.web import panels
from tests.admin.staff import open_circuit, text, value
from tests.campaigns.pages.test_pages import WEEKEND, made
from tests.points.tiers.world import BRONZE, GOLD, tiers
from tests.points.world import ALICE


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
