"""Campaigns for new accounts and birthdays add to what a way gives, and it is all one award."""

from app.points.earning.campaigns import hearing
from app.points.ways import birthdays
from tests.points.earning.campaigns.told import campaign
from tests.points.earning.campaigns.told import told as running
from tests.points.ways.world import created, ledger, merged, sound, told, way
from tests.points.world import ALICE, BOB, figures, handle, now, one, program


async def test_a_sign_up_campaign_adds_its_points_and_is_told_with_them(stores) -> None:
    await program()
    await way("account", 100)
    await handle(*running(campaign(trigger="account", effect="add", value="50", name="Join now")))
    await handle(created())
    assert await figures() == {"available": 150}
    assert await ledger() == [
        "150 points for creating an account, 50 of them from the campaign “Join now” (version 1)."
    ]
    (earned,) = await told("points.earned")
    assert [points for _, _, points in earned["bonuses"]] == [50]
    assert await one("SELECT given_points FROM ways") == 150
    await sound()


async def test_it_gives_also_where_an_account_gives_nothing_by_itself(stores) -> None:
    await program()
    await handle(*running(campaign(trigger="account", effect="add", value="50")))
    await handle(created())
    await handle(created())
    assert await figures() == {"available": 50}


async def test_a_birthday_is_worth_twice_while_the_campaign_runs(stores) -> None:
    await program()
    await way("birthday", 80)
    await handle(*running(campaign(trigger="birthday", effect="multiply", value="2")))
    await birthdays.say(ALICE, BOB, f"{now():%m-%d}")
    assert await figures() == {"available": 160}
    await sound()


async def test_what_a_merge_takes_back_can_be_given_by_the_campaign_again(stores) -> None:
    await program()
    await way("account", 100)
    add = campaign(trigger="account", effect="add", value="50", budget=100)
    await handle(*running(add))
    await handle(created("7001"), created("7002"), created("7003"))
    assert [(await figures(who))["available"] for who in ("7001", "7002", "7003")] == [
        150,
        150,
        100,
    ]
    await handle(merged("7002", "7001"))
    assert await figures("7001") == {"available": 150, "reversed": 150}
    assert [one["bonuses"][0][2] for one in await told("points.reversed")] == [50]
    await handle(created("7004"))
    assert (await figures("7004"))["available"] == 150
    await sound()


async def test_a_bonus_says_of_when_campaigns_are_while_their_part_is_away(
    stores, monkeypatch
) -> None:
    await program()
    await way("account", 100)
    await way("birthday", 80)
    monkeypatch.setattr(hearing, "_is_away", True)
    await handle(created("7001"))
    assert "away" not in "".join(await ledger()), "a shop without campaigns hears nothing of them"
    await handle(*running(campaign(trigger="account", effect="add", value="50", name="Join now")))
    heard_at = await hearing.heard_at(ALICE)
    assert heard_at is not None
    await handle(created("7002"))
    await birthdays.say(ALICE, BOB, f"{now():%m-%d}")
    when = f"{heard_at.day} {heard_at:%B %Y at %H:%M} UTC"
    away = f" The campaigns part was away: what it had told last, on {when}, counted."
    assert [one.endswith(away) for one in await ledger()] == [False, True]
    assert [one.endswith(away) for one in await ledger("7002")] == [True]
    await sound()
