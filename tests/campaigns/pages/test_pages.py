"""The merchant's pages of campaigns: from the first look to a campaign that runs, and back."""

import html
import re
from datetime import UTC, datetime, timedelta

import httpx2

from app.campaigns import actions, reads
from app.campaigns.starters import STARTERS
from tests.admin.staff import Staff, text, value
from tests.campaigns.test_actions import ALICE, double, launched

TOMORROW = (datetime.now(UTC) + timedelta(days=1)).date()
WEEKEND = {
    "name": "Weekend",
    "trigger": "order",
    "effect": "multiply",
    "value": "2",
    "scope": "all",
    "audience": "everyone",
    "starts_day": f"{TOMORROW}",
    "ends_day": f"{TOMORROW + timedelta(days=1)}",
    "cap": "500",
}


def campaign_id(answer: httpx2.Response) -> str:
    found = re.search(r"/campaigns/([0-9a-f-]{36})/", answer.text)
    assert found, text(answer)
    return found[1]


async def made(alice: Staff, **fields: str) -> str:
    answer = await alice.post("/campaigns", **(WEEKEND | {"key": "k" * 12} | fields))
    assert answer.status_code == 200, text(answer)
    return campaign_id(answer)


async def test_the_first_look_teaches_with_ten_templates(alice) -> None:
    page = await alice.get("/campaigns")
    assert page.status_code == 200
    assert "Your first campaign" in text(page)
    assert len(STARTERS) == 10
    for one in STARTERS:
        assert one.title in text(page)
        assert f"template={one.id}" in html.unescape(page.text)


async def test_each_template_opens_a_form_that_says_what_it_does_or_lacks(alice) -> None:
    lacking = {"win_back": "segments", "vip_early": "tiers", "new_product": "products"}
    for one in STARTERS:
        page = await alice.get("/campaigns/new", template=one.id)
        assert value(page, "name") == one.title
        seen = text(page)
        if one.id in lacking:
            assert "Not complete yet: Please" in seen, one.id
            assert lacking[one.id] in seen
        else:
            assert "Not complete yet" not in seen, one.id
            assert re.search(r"earns? |gives? ", seen)


async def test_from_a_form_to_a_campaign_that_runs_pauses_and_ends(alice) -> None:
    one = await made(alice)
    page = await alice.get(f"/campaigns/{one}")
    assert "earn 2x points, at most 500 points a customer." in text(page)
    assert "Draft" in text(page)
    assert "the best one counts" in text(page), "how they stack stands in the rule"
    for state, said in (("live", "Scheduled"), ("paused", "Paused"), ("live", "Scheduled")):
        answer = await alice.post(f"/campaigns/{one}/state", state=state)
        assert (answer.status_code, said in text(answer)) == (200, True), state
    answer = await alice.post(f"/campaigns/{one}/state", state="ended")
    assert "Ended" in text(answer)
    answer = await alice.post(f"/campaigns/{one}/state", state="live")
    assert answer.status_code == 422
    assert "has ended and stays as it is" in text(answer)
    versions = await reads.versions(ALICE, one)
    assert [one.campaign.state for one in versions] == ["ended", "live", "paused", "live", "draft"]


async def test_pressing_save_twice_makes_one(alice) -> None:
    first, second = await made(alice), await made(alice)
    assert first == second
    other = await alice.post("/campaigns", **(WEEKEND | {"key": "k" * 12, "value": "3"}))
    assert other.status_code == 409
    assert "made the campaign “Weekend” already" in text(other)
    assert value(other, "value") == "3", "what was typed stays"


async def test_two_tabs_are_shown_beside_each_other(alice) -> None:
    one = await made(alice)
    version = value(await alice.get(f"/campaigns/{one}/edit"), "version")
    assert version == "1"
    saved = await alice.post(f"/campaigns/{one}/edit", **(WEEKEND | {"version": "1", "value": "3"}))
    assert saved.status_code == 200
    answer = await alice.post(
        f"/campaigns/{one}/edit", **(WEEKEND | {"version": "1", "value": "4", "cap": ""})
    )
    assert answer.status_code == 409
    seen = text(answer)
    assert "Somebody else changed this campaign meanwhile" in seen
    assert "How much 3 4" in seen
    assert "At most a customer 500 nothing" in seen
    again = await alice.post(
        f"/campaigns/{one}/edit", **(WEEKEND | {"version": value(answer, "version"), "value": "4"})
    )
    assert again.status_code == 200
    assert (await reads.campaign(ALICE, one)).campaign.value == "4"


async def test_what_is_wrong_stands_beside_its_field_and_nothing_is_saved(alice) -> None:
    wrong = {
        "name": ("", "Please give a name"),
        "value": ("50%", "Please give a multiplier above 1"),
        "starts_day": ("soon", "Please give a day"),
        "starts_time": ("25:00", "Please give a time"),
        "ends_day": (f"{TOMORROW - timedelta(days=3)}", "The end is not after the start"),
        "cap": ("many", "Please give whole points"),
        "text": ("<script>alert(1)</script>", "Please write plain text"),
        "trigger": ("anything", "Please choose one of these"),
    }
    for name, (typed, said) in wrong.items():
        fields = WEEKEND | {"key": "k" * 12, name: typed}
        answer = await alice.post("/campaigns", **fields)
        assert answer.status_code == 422, name
        assert said in text(answer), name
        assert "<script>alert" not in answer.text
    assert (await reads.page(ALICE, datetime.now(UTC))).total == 0


async def test_what_it_overlaps_with_is_named_with_how_they_stack(alice) -> None:
    await launched("k9", name="Black Friday", value="3", ends_at=None)
    page = await alice.get("/campaigns/sentence", **WEEKEND)
    assert "It overlaps with “Black Friday”" in text(page)
    assert "An order in both earns the better one: 3x." in text(page)
    answer = await alice.post("/campaigns/stacking", policy="add", cap="", version="0")
    assert answer.status_code == 200
    page = await alice.get("/campaigns/sentence", **WEEKEND)
    assert "the extras are added: 3x and 2x make 4x." in text(page)
    one = await made(alice)
    seen = text(await alice.get(f"/campaigns/{one}"))
    assert "It overlaps with “Black Friday”" in seen
    assert "their extras are added" in seen


async def test_how_they_stack_is_saved_once_and_refused_with_a_sentence(alice) -> None:
    await launched()
    answer = await alice.post("/campaigns/stacking", policy="all", cap="1")
    assert answer.status_code == 422
    assert "Please choose how multipliers go together." in text(answer)
    assert "Please give a number above 1" in text(answer)
    await alice.post("/campaigns/stacking", policy="add", cap="5", version="0")
    stale = await alice.post("/campaigns/stacking", policy="multiply", cap="", version="0")
    assert stale.status_code == 409
    assert "When multipliers meet add multiply" in text(stale)


async def test_the_form_follows_what_is_chosen(alice) -> None:
    page = await alice.get("/campaigns/new", trigger="goal_order", effect="add", audience="tags")
    seen = text(page)
    assert "Amount to be spent" in seen
    assert "Tags" in seen
    assert "Besides what is earned anyway" in seen
    assert "Which order of a customer" not in seen


async def test_the_list_is_searched_and_filtered(alice) -> None:
    await launched("k1", name="Été double")
    await actions.make(ALICE, double(name="Winter"), key="k2", by="42")
    everything = text(await alice.get("/campaigns"))
    assert "Été double" in everything
    assert "Winter" in everything
    assert (
        "Winter" not in text(await alice.get("/campaigns", state="running")).split("Templates")[0]
    )
    found = text(await alice.get("/campaigns", q="ete"))
    assert "Été double" in found
    assert "Winter Orders" not in found
    nothing = text(await alice.get("/campaigns", q="summer", state="draft"))
    assert "No campaign that is draft has “ summer ” in its name." in nothing


async def test_long_lists_go_on(alice) -> None:
    for number in range(reads.PAGE_SIZE + 2):
        await actions.make(ALICE, double(name=f"Campaign {number}"), key=f"k{number}", by="42")
    page = await alice.get("/campaigns")
    after = re.search(r"after=(\d+)", html.unescape(page.text))
    assert after
    second = await alice.get("/campaigns", after=after[1])
    assert "Campaign 0 " in text(second)
    assert "Campaign 1 " in text(second)
    assert f"Campaign {reads.PAGE_SIZE + 1} " not in text(second)


async def test_the_calendar_draws_a_bar_a_week_and_says_the_month_in_sentences(alice) -> None:
    start = datetime(2027, 3, 5, 12, tzinfo=UTC)  # a Friday
    one = await launched(starts_at=start, ends_at=start + timedelta(days=4))
    page = await alice.get("/campaigns/calendar", month="2027-03")
    assert "March 2027" in text(page)
    bars = re.findall(r'<p class="bar ([^"]*)">', page.text)
    assert bars == ["info from-5 for-3 after-it", "info from-1 for-2 before"]
    assert page.text.count(f"/campaigns/{one.campaign_id}") == 3, "and a line below"
    assert "Double points weekend" not in text(
        await alice.get("/campaigns/calendar", month="2027-04")
    )
    assert (await alice.get("/campaigns/calendar", month="2027-13")).status_code == 200


async def test_what_runs_all_the_time_is_said_once_and_what_has_no_room_is_counted(alice) -> None:
    start = datetime(2027, 3, 5, 12, tzinfo=UTC)
    always = await launched(name="Always on", starts_at=start - timedelta(days=90), ends_at=None)
    for number in range(8):
        end = start + timedelta(hours=9)
        await launched(f"key-{number}", name=f"Busy {number}", starts_at=start, ends_at=end)
    page = await alice.get("/campaigns/calendar", month="2027-03")
    assert "All through these weeks: Always on" in text(page)
    assert page.text.count(f"/campaigns/{always.campaign_id}") == 2, "and a line below"
    assert page.text.count('<p class="bar ') == 6
    assert "and 2 more in the list below" in text(page)


async def test_a_copy_of_an_ended_one_is_a_draft(alice) -> None:
    one = await made(alice)
    await alice.post(f"/campaigns/{one}/state", state="ended")
    answer = await alice.post(f"/campaigns/{one}/duplicate", key="c" * 12)
    assert answer.status_code == 200
    assert "Weekend (copy)" in text(answer)
    assert "Draft" in text(answer)


async def test_nobody_sees_another_shops_campaigns(alice, charlie) -> None:
    one = await made(alice)
    for path in (f"/campaigns/{one}", f"/campaigns/{one}/edit", "/campaigns/nonsense"):
        assert (await charlie.get(path)).status_code == 404, path
    assert (await charlie.post(f"/campaigns/{one}/state", state="ended")).status_code == 404
    assert "Weekend" not in text(await charlie.get("/campaigns")).split("Your first campaign")[0]
