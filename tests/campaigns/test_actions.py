"""Campaigns as merchants change them: versions, facts, and what is refused with nothing done."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from app import db
from app.campaigns import actions, reads, rules, stacking
from app.errors import BadInputError, ConflictError, NotFoundError, RefusedError
from app.flow import event as envelope
from app.own_facts import Audience, Campaign, CampaignUpdated, Stacking

ALICE, CHARLIE = "alice.myshopify.com", "charlie.myshopify.com"
NOW = datetime.now(UTC)


def double(**fields: object) -> Campaign:
    known = {
        "campaign_id": "",
        "version": 0,
        "name": "Double points weekend",
        "state": "draft",
        "starts_at": NOW - timedelta(days=1),
        "ends_at": NOW + timedelta(days=2),
    }
    return Campaign(**(known | fields))


async def told() -> list[CampaignUpdated]:
    """What the log has of campaigns, in its order."""
    async with db.connection() as conn:
        bodies = await conn.fetch("SELECT body FROM facts ORDER BY tx, id")
    events = [event for row in bodies for event in envelope.unpack(row["body"])]
    assert {event.topic for event in events} <= {"campaign.updated"}
    return [msgspec.json.decode(event.data, type=CampaignUpdated) for event in events]


async def launched(key: str = "k1", **fields: object) -> Campaign:
    made = await actions.make(ALICE, double(**fields), key=key, by="42")
    return await actions.set_state(ALICE, made.campaign_id, "live", "42")


async def test_each_change_is_a_version_and_is_told_whole(stores) -> None:
    made = await actions.make(ALICE, double(), key="k1", by="42")
    live = await actions.set_state(ALICE, made.campaign_id, "live", "42")
    edited = await actions.edit(
        ALICE, made.campaign_id, double(value="3", cap=500), by="43", seen_version=2
    )
    assert (made.state, live.state, edited.state) == ("draft", "live", "live")
    assert [one.version for one in (made, live, edited)] == [1, 2, 3]
    facts = await told()
    assert [one.campaign for one in facts] == [made, live, edited]
    assert all(one.stacking == Stacking() and one.at for one in facts)
    versions = await reads.versions(ALICE, made.campaign_id)
    assert [(one.campaign.version, one.edited_by) for one in versions] == [
        (3, "43"),
        (2, "42"),
        (1, "42"),
    ]
    assert (await reads.campaign(ALICE, made.campaign_id)).campaign == edited


async def test_the_same_form_sent_twice_makes_one(stores) -> None:
    first, second = await asyncio.gather(
        actions.make(ALICE, double(), key="k1", by="42"),
        actions.make(ALICE, double(), key="k1", by="42"),
    )
    assert first == second
    with pytest.raises(ConflictError, match="Double points weekend"):
        await actions.make(ALICE, double(value="5"), key="k1", by="42")
    assert (await reads.page(ALICE, NOW)).total == 1
    assert len(await told()) == 1


async def test_saving_what_is_there_already_makes_no_version(stores) -> None:
    made = await actions.make(ALICE, double(), key="k1", by="42")
    again = await actions.edit(ALICE, made.campaign_id, double(), by="42", seen_version=7)
    assert again == made
    assert len(await told()) == 1


async def test_of_two_tabs_the_second_learns_what_the_first_saved(stores) -> None:
    made = await actions.make(ALICE, double(), key="k1", by="42")
    theirs = await actions.edit(ALICE, made.campaign_id, double(value="3"), by="42", seen_version=1)
    with pytest.raises(actions.StaleCampaignError) as caught:
        await actions.edit(ALICE, made.campaign_id, double(value="4"), by="43", seen_version=1)
    assert caught.value.current == theirs
    assert (await reads.campaign(ALICE, made.campaign_id)).campaign.value == "3"
    mine = await actions.edit(ALICE, made.campaign_id, double(value="4"), by="43", seen_version=2)
    assert (mine.version, mine.value) == (3, "4")


async def test_edits_at_once_are_versions_one_after_the_other(stores) -> None:
    made = await actions.make(ALICE, double(), key="k1", by="42")
    await asyncio.gather(
        *(
            actions.edit(ALICE, made.campaign_id, double(cap=number), by="42")
            for number in range(1, 7)
        )
    )
    facts = await told()
    assert [one.campaign.version for one in facts if one.campaign] == list(range(1, 8))
    now = (await reads.campaign(ALICE, made.campaign_id)).campaign
    assert now == facts[-1].campaign


async def test_ended_means_ended_at_that_moment_and_for_good(stores) -> None:
    live = await launched()
    before = datetime.now(UTC)
    ended = await actions.set_state(ALICE, live.campaign_id, "ended", "42")
    assert ended.ends_at is not None
    assert before <= ended.ends_at <= datetime.now(UTC)
    for state in ("live", "paused", "draft"):
        with pytest.raises(RefusedError, match="has ended"):
            await actions.set_state(ALICE, live.campaign_id, state, "42")
    with pytest.raises(RefusedError, match="has ended"):
        await actions.edit(ALICE, live.campaign_id, double(value="3"), by="42")
    assert await reads.running(ALICE, datetime.now(UTC)) == []


async def test_what_is_paused_goes_on_and_what_is_over_does_not_begin(stores) -> None:
    live = await launched()
    paused = await actions.set_state(ALICE, live.campaign_id, "paused", "42")
    assert rules.shown_state(paused, NOW) == "paused"
    resumed = await actions.set_state(ALICE, live.campaign_id, "live", "42")
    assert rules.shown_state(resumed, NOW) == "running"
    old = double(starts_at=NOW - timedelta(days=9), ends_at=NOW - timedelta(days=8))
    made = await actions.make(ALICE, old, key="k2", by="42")
    with pytest.raises(RefusedError, match="window is over"):
        await actions.set_state(ALICE, made.campaign_id, "live", "42")


async def test_one_whose_window_is_over_is_not_brought_back(stores, monkeypatch) -> None:
    live = await launched()

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return NOW + timedelta(days=3)

    monkeypatch.setattr(actions, "datetime", Later)
    later = double(ends_at=NOW + timedelta(days=5))
    with pytest.raises(RefusedError, match="has ended"):
        await actions.edit(ALICE, live.campaign_id, later, by="42")
    assert (await reads.campaign(ALICE, live.campaign_id)).campaign == live


async def test_a_running_one_is_not_ended_by_an_end_in_the_past(stores) -> None:
    live = await launched()
    with pytest.raises(BadInputError, match="behind us"):
        await actions.edit(ALICE, live.campaign_id, double(ends_at=NOW), by="42")
    assert (await reads.campaign(ALICE, live.campaign_id)).campaign == live


@pytest.mark.parametrize(
    "wrong",
    [
        {"ends_at": NOW - timedelta(days=2)},
        {"value": "1"},
        {"value": "50%"},
        {"effect": "add", "value": "1.5"},
        {"trigger": "birthday"},
        {"trigger": "nth_order", "nth": 1},
        {"trigger": "goal_order"},
        {"scope": "products"},
        {"audience": Audience("tiers")},
        {"text": "<script>alert(1)</script>"},
        {"text": "Hello {name}"},
        {"name": ""},
        {"cap": 0},
        {"cap": 500, "budget": 100},
    ],
    ids="-".join,
)
async def test_what_is_wrong_is_said_and_leaves_nothing(stores, wrong: dict[str, object]) -> None:
    with pytest.raises(BadInputError):
        await actions.make(ALICE, double(**wrong), key="k1", by="42")
    assert (await reads.page(ALICE, NOW)).total == 0
    assert await told() == []


async def test_what_its_kind_does_not_use_is_not_kept(stores) -> None:
    typed = double(ids=["7"], nth=3, goal="50", audience=Audience("everyone", ["Gold"]))
    made = await actions.make(ALICE, typed, key="k1", by="42")
    assert (made.ids, made.nth, made.goal, made.audience) == ([], 0, "0", Audience())


async def test_a_copy_is_a_draft_and_one_a_key(stores) -> None:
    live = await launched(cap=500)
    copy = await actions.duplicate(ALICE, live.campaign_id, key="c1", by="42")
    again = await actions.duplicate(ALICE, live.campaign_id, key="c1", by="42")
    assert copy == again
    assert (copy.name, copy.state, copy.version, copy.cap) == (
        "Double points weekend (copy)",
        "draft",
        1,
        500,
    )
    assert copy.campaign_id != live.campaign_id


async def test_nobody_touches_what_is_another_shops(stores) -> None:
    live = await launched()
    for change in (
        actions.set_state(CHARLIE, live.campaign_id, "ended", "66"),
        actions.edit(CHARLIE, live.campaign_id, double(value="9"), by="66"),
        actions.duplicate(CHARLIE, live.campaign_id, key="c1", by="66"),
        reads.campaign(CHARLIE, live.campaign_id),
    ):
        with pytest.raises(NotFoundError):
            await change
    assert (await reads.campaign(ALICE, live.campaign_id)).campaign == live


async def test_only_so_many_can_be_live_at_once(stores, monkeypatch) -> None:
    monkeypatch.setattr(rules, "LIVE_MAX", 2)
    first = await launched("k1")
    await launched("k2")
    with pytest.raises(RefusedError, match="End one of them first"):
        await launched("k3")
    await actions.set_state(ALICE, first.campaign_id, "ended", "42")
    await launched("k4")


async def test_how_they_stack_is_told_with_every_campaign_from_then_on(stores) -> None:
    set_first = await stacking.set_stacking(ALICE, "add", "5.0", by="42", seen_version=0)
    assert set_first == Stacking(1, "add", "5")
    with pytest.raises(stacking.StaleStackingError):
        await stacking.set_stacking(ALICE, "multiply", "", by="43", seen_version=0)
    with pytest.raises(BadInputError):
        await stacking.set_stacking(ALICE, "add", "0.5", by="42")
    await stacking.set_stacking(ALICE, "add", "5", by="42", seen_version=0)  # no change
    await actions.make(ALICE, double(), key="k1", by="42")
    facts = await told()
    assert [(one.campaign is None, one.stacking) for one in facts] == [
        (True, set_first),
        (False, set_first),
    ]
    assert await reads.stacking(ALICE) == set_first


async def test_a_change_that_cannot_be_told_is_none(stores, monkeypatch) -> None:
    async def fails(*_: object) -> None:
        raise ConnectionResetError

    made = await actions.make(ALICE, double(), key="k1", by="42")
    monkeypatch.setattr(actions, "publish", fails)
    with pytest.raises(ConnectionResetError):
        await actions.set_state(ALICE, made.campaign_id, "live", "42")
    assert (await reads.campaign(ALICE, made.campaign_id)).campaign == made
    assert len(await reads.versions(ALICE, made.campaign_id)) == 1
