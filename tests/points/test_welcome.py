"""The welcome of a new account, step by step: each once, whoever dies in between, and taken back
where a step cannot be done.
"""

import contextlib
from datetime import timedelta

import pytest

from app import db
from app.flow.bus import log as fact_log
from app.points import handlers, steps, welcome
from app.points.rewards import actions as rewards
from app.points.rewards import settling
from app.points.ways import telling
from tests.points.ways.world import created, merged, sound, told, way
from tests.points.world import ALICE, BOB, bob_has, fact, figures, handle, now, one, program

LATER = timedelta(seconds=10)


class KilledError(BaseException):
    """The end of the process, at this very place."""


def claim(friend: str = BOB):
    data = {"referral_id": "r9", "advocate_id": "7009", "friend_id": friend}
    return fact("referral.created", data)


async def trace(customer: str = BOB) -> dict[str, str]:
    """The states of the steps of a customer's welcome."""
    found = await steps.of_customer(ALICE, customer)
    return {step.title: step.state for saga in found for step in saga.steps}


async def test_member_points_claim_and_then_it_is_told_once(stores) -> None:
    await program()
    await way("account", 100)
    await handle(created())
    assert await trace() == {
        "Became a member": "done",
        "Welcome points": "done",
        "Welcome told": "waiting",
    }
    assert await welcome.go_on(now()) == 0, "a friend's claim may still come"
    await handle(claim())
    assert await welcome.go_on(now()) == 1
    assert await welcome.go_on(now() + LATER) == 0
    await handle(created(), claim())
    assert await welcome.go_on(now() + LATER) == 0
    (welcomed,) = await told("member.welcomed")
    assert (welcomed["customer_id"], welcomed["points"]) == (BOB, 100)
    assert set((await trace()).values()) == {"done"}
    found = (await steps.of_customer(ALICE, BOB))[0]
    assert "through a member's link" in " ".join(one.words for one in found.steps)


async def test_without_a_friend_it_is_told_after_a_moment(stores) -> None:
    await program()
    await handle(created())
    assert await welcome.go_on(now() + LATER) == 1
    (welcomed,) = await told("member.welcomed")
    assert welcomed["points"] == 0
    assert await figures() == {}


async def test_a_claim_before_its_account_is_attached_too(stores) -> None:
    await program()
    await way("account", 100)
    await handle(claim())
    await handle(created())
    await welcome.go_on(now() + LATER)
    assert (await trace())["Came through a friend"] == "done"
    assert len(await told("member.welcomed")) == 1


# between any two writes of a step, in the order they are made
PLACES = {
    "before the points are written": (telling.giving, "add"),
    "after the points, before the steps are noted": (telling.steps, "note"),
    "after the steps, before the figures": (telling.giving, "count"),
    "while the claim is attached": (welcome.steps, "note"),
    "before the welcome is told": (fact_log, "add"),
}


@pytest.mark.parametrize("place", PLACES)
async def test_killed_between_any_two_steps_it_goes_on_and_gives_once(
    stores, monkeypatch, place
) -> None:
    await program()
    await way("account", 100)
    for facts in ((created(),), (claim(),)):
        await _killed_once(monkeypatch, place, facts)
    await _go_on_killed(monkeypatch, place)
    await welcome.go_on(now() + LATER)
    assert await figures() == {"available": 100}
    assert [one["points"] for one in await told("member.welcomed")] == [100]
    assert len(await told("points.earned")) == 1
    assert set((await trace()).values()) == {"done"}
    await sound()


async def _killed_once(monkeypatch, place, facts) -> None:
    """Handle the facts, killed at that place if it is passed; then again, as the log gives them."""
    with monkeypatch.context() as patched:
        _kill(patched, place)
        try:
            async with db.transaction() as conn:
                await handlers.handle(conn, list(facts))
        except KilledError:
            pass
    await handle(*facts)


async def _go_on_killed(monkeypatch, place) -> None:
    with monkeypatch.context() as patched:
        _kill(patched, place)
        with contextlib.suppress(KilledError):
            await welcome.go_on(now() + LATER)


def _kill(patched, place) -> None:
    def kill(*_: object, **__: object) -> None:
        raise KilledError

    module, name = PLACES[place]
    patched.setattr(module, name, kill)


async def test_an_account_that_was_merged_before_its_welcome_gives_the_points_back(stores) -> None:
    await program()
    await way("account", 100)
    await handle(created("7001"), created("7002"))
    await handle(merged("7002", "7001"))
    assert await welcome.go_on(now() + LATER) == 2
    found = {saga.subject: saga for saga in await steps.of_customer(ALICE, "7001")}
    states = {step.title: step.state for step in found["7002"].steps}
    assert (states["Welcome points"], states["Welcome told"]) == ("undone", "failed")
    assert [one["customer_id"] for one in await told("member.welcomed")] == ["7001"]
    assert (await told("points.reversed"))[0]["points"] == 100


async def test_a_welcome_that_can_never_be_told_takes_its_points_back(stores, monkeypatch) -> None:
    await program()
    await way("account", 100)
    await handle(created("7001"), created("7002"))
    tell = welcome._welcomed

    def broken(step, points, at):
        if step["customer_id"] == "7001":
            raise ValueError("this one is broken")
        return tell(step, points, at)

    monkeypatch.setattr(welcome, "_welcomed", broken)
    at = now() + LATER
    for _ in range(welcome.TRIES_MAX):
        await welcome.go_on(at)
        at += timedelta(hours=1)
    assert [one["customer_id"] for one in await told("member.welcomed")] == ["7002"]
    assert await figures("7001") == {"reversed": 100}
    states = await trace("7001")
    assert (states["Welcome points"], states["Welcome told"]) == ("undone", "failed")
    assert await welcome.go_on(at) == 0
    await sound()


async def test_an_account_told_of_long_after_is_not_welcomed(stores) -> None:
    await program()
    await handle(created(at=now() - timedelta(days=8)))
    assert await trace() == {}


async def test_a_reward_has_its_steps_beside_the_welcome(stores) -> None:
    reward = await bob_has(250)
    held = await rewards.redeem(ALICE, BOB, reward, "a long key", "r")
    assert await trace() == {"Points set aside": "done", "Code at Shopify": "waiting"}
    await settling.capture(stores, held.id, "gid://shopify/DiscountCodeNode/1")
    assert await trace() == {
        "Points set aside": "done",
        "Code at Shopify": "done",
        "Points spent": "done",
    }
    await settling.cancel(stores, held.id, "Cancelled by Alice.")
    assert (await trace())["Points spent"] == "undone"
    other = await rewards.redeem(ALICE, BOB, reward, "another key", "r")
    await settling.give_back(stores, other.id, "Shopify refused.")
    newest = (await steps.of_customer(ALICE, BOB))[0]
    assert [(step.title, step.state) for step in newest.steps] == [
        ("Points set aside", "done"),
        ("Code at Shopify", "failed"),
        ("Points given back", "done"),
    ]
    assert "Shopify refused." in [step.words for step in newest.steps]


async def test_one_whose_points_are_on_hold_keeps_no_other_welcome_from_being_told(
    stores, monkeypatch
) -> None:
    await program()
    await way("account", 100)
    await handle(created("7001"), created("7002"), created("7003"))
    tell = welcome._welcomed

    def broken(step, points, at):
        if step["customer_id"] == "7001":
            raise ValueError("this one is broken")
        return tell(step, points, at)

    monkeypatch.setattr(welcome, "_welcomed", broken)
    await one("UPDATE members SET frozen_at = now() WHERE customer_id = '7001' RETURNING id")
    await one("UPDATE saga_steps SET tries = 4, at = at WHERE subject = '7001' RETURNING id")
    await one(
        "UPDATE saga_steps SET due_at = due_at - interval '1 hour' "
        "WHERE subject = '7001' AND state = 'waiting' RETURNING id"
    )
    at = now() + LATER
    await welcome.go_on(at)
    assert {one["customer_id"] for one in await told("member.welcomed")} == {"7002", "7003"}
    await one("UPDATE members SET frozen_at = NULL WHERE customer_id = '7001' RETURNING id")
    await welcome.go_on(at + timedelta(days=1))
    assert await figures("7001") == {"reversed": 100}, "taken back after the repair"
    await sound()


async def test_killed_between_the_points_taken_back_and_the_end_of_the_welcome_they_go_once(
    stores, monkeypatch
) -> None:
    await program()
    await way("account", 100)
    await handle(created())

    def broken(*_: object) -> None:
        raise ValueError("this one is broken")

    monkeypatch.setattr(welcome, "_welcomed", broken)
    await one("UPDATE saga_steps SET tries = 4 WHERE state = 'waiting' RETURNING id")
    real, at = welcome.compensate, now() + LATER

    async def dies_after(*args: object) -> None:
        await real(*args)
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(welcome, "compensate", dies_after)
        with pytest.raises(KilledError):
            await welcome.go_on(at)
    assert await figures() == {"reversed": 100}
    await welcome.go_on(at)
    assert await figures() == {"reversed": 100}
    assert len(await told("points.reversed")) == 1
    assert (await trace())["Welcome told"] == "failed"
    await sound()
