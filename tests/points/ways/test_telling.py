"""Accounts and e-mails: points once, by the settings and the programme of the moment."""

from datetime import timedelta

import pytest

from app.points import steps
from app.points.ledger.accounts import FrozenError
from app.points.members import reads
from app.points.ways import actions
from tests.points.ways.world import (
    consented,
    created,
    deleted,
    ledger,
    merged,
    since,
    sound,
    told,
    way,
)
from tests.points.world import ALICE, BOB, days_ago, figures, handle, now, one, program


async def test_a_new_account_gives_its_points_once_however_often_it_is_told(stores) -> None:
    await program(pending_days=0, expiry_days=30)
    made = await way("account", 100)
    await handle(created())
    await handle(created(), created())
    assert await figures() == {"available": 100}
    assert await ledger() == ["100 points for creating an account (version 1)."]
    (earned,) = await told("points.earned")
    assert (earned["kind"], earned["points"]) == ("account", 100)
    shown = (await reads.member(ALICE, BOB)).events
    assert [event.kind for event in shown] == ["earned"]
    assert (await reads.member(ALICE, BOB)).expiries[0].expires_at is not None
    await sound()
    assert made.version == 1


async def test_points_of_an_account_are_held_back_as_those_of_an_order(stores) -> None:
    await program(pending_days=3)
    await way("account", 100)
    await handle(created())
    assert await figures() == {"pending": 100}
    assert "On hold-back until" in (await ledger())[0]


async def test_subscribing_gives_once_and_again_nothing(stores) -> None:
    await program()
    await way("newsletter", 50)
    await handle(consented(is_subscribed=False))
    assert await figures() == {}
    await handle(consented(at=days_ago(0.3)))
    await handle(consented(is_subscribed=False, at=days_ago(0.2)))
    await handle(consented(at=days_ago(0.1)))
    assert await figures() == {"available": 50}
    await sound()


async def test_a_consent_from_before_the_way_was_on_gives_nothing(stores) -> None:
    await program()
    made = await way("newsletter", 50)
    await since(made, days_ago(2).isoformat())
    await handle(consented(at=days_ago(3)))
    assert await figures() == {}
    await handle(consented(at=days_ago(1)))
    assert await figures() == {"available": 50}


async def test_what_happened_before_an_edit_earns_by_what_held_then(stores) -> None:
    await program()
    made = await way("account", 100)
    await since(made, days_ago(5).isoformat())
    await actions.change(ALICE, str(made.id), {"points": 70}, "Alice")
    await handle(created("7001", days_ago(1)))
    await handle(created("7002", now() + timedelta(seconds=1)))
    assert await figures("7001") == {"available": 100}
    assert await figures("7002") == {"available": 70}
    await actions.switch(ALICE, str(made.id), "Alice", is_active=False)
    await handle(created("7003", now() + timedelta(seconds=1)))
    assert await figures("7003") == {}


async def test_only_a_live_programme_gives(stores) -> None:
    await program(state="paused")
    await way("account", 100)
    await handle(created())
    assert await figures() == {}
    assert await steps.of_customer(ALICE, BOB) == []
    await program()
    await handle(created())
    assert await figures() == {"available": 100}, "told again once it is live, it is new"


async def test_a_deleted_account_keeps_the_ledger_and_gives_nothing_back(stores) -> None:
    await program()
    await way("account", 100)
    await handle(created())
    await handle(deleted())
    assert await figures() == {"available": 100}
    await handle(created("7002"), deleted("7002"))
    assert await figures("7002") == {}


async def test_two_accounts_of_one_person_have_their_welcome_once(stores) -> None:
    await program()
    await way("account", 100)
    await way("newsletter", 50)
    await handle(created("7001"), created("7002"), consented("7002"))
    await handle(merged("7002", "7001"))
    assert await figures("7001") == {"available": 150, "reversed": 100}
    assert any("merged with this one" in one for one in await ledger("7001"))
    (back,) = await told("points.reversed")
    assert (back["kind"], back["points"]) == ("account", 100)
    await handle(merged("7002", "7001"))
    await handle(consented("7001"), created("7002"))
    assert await figures("7001") == {"available": 150, "reversed": 100}
    await sound()


async def test_a_merge_that_is_told_before_the_account_gives_once_too(stores) -> None:
    await program()
    await way("account", 100)
    await handle(created("7001"))
    await handle(merged("7002", "7001"))
    await handle(created("7002"))
    assert await figures("7001") == {"available": 100}
    await sound()


async def test_who_is_frozen_gets_it_after_the_repair_when_it_is_told_again(stores) -> None:
    await program()
    await way("newsletter", 50)
    await handle(created())
    await one("UPDATE members SET frozen_at = now() RETURNING id")
    fact = consented()
    with pytest.raises(FrozenError):
        await handle(fact)
    await one("UPDATE members SET frozen_at = NULL RETURNING id")
    await handle(fact)
    assert await figures() == {"available": 50}
