"""Wishes from outside: at most so often, whatever comes at once, and only by who may."""

import asyncio
from functools import partial

import pytest

from app.errors import BadInputError, ConflictError, NotFoundError, RefusedError, UnauthorizedError
from app.points.outside import calls, keys
from app.points.ways import actions
from tests.points.ways.world import ledger, sound, way
from tests.points.world import ALICE, BOB, crowd, figures, one, program


async def test_fifty_at_once_of_an_action_for_once_give_once(stores) -> None:
    await program()
    await way("action", 30, handle="review", per="once")
    answers = await crowd(
        *(partial(calls.act, ALICE, "review", BOB, f"key-{n}", "server") for n in range(50))
    )
    assert sum(one["points"] for one in answers) == 30
    assert [one["outcome"] for one in answers].count("given") == 1
    assert await figures() == {"available": 30}
    assert await ledger() == ["30 points for “A action”, told by the shop's server (version 1)."]
    assert await one("SELECT given_points FROM ways") == 30
    await sound()


async def test_so_often_a_period_and_no_oftener_whatever_comes_at_once(stores) -> None:
    await program()
    await way("action", 10, handle="check-in", per="day", times=3)
    await crowd(
        *(partial(calls.act, ALICE, "check-in", BOB, f"key-{n}", "server") for n in range(50))
    )
    assert await figures() == {"available": 30}
    await sound()


async def test_the_same_key_gets_the_same_answer_and_other_contents_are_refused(stores) -> None:
    await program()
    await way("action", 10, handle="check-in", per="day", times=5)
    first = await calls.act(ALICE, "check-in", BOB, "key-1", "server")
    again = await crowd(*[partial(calls.act, ALICE, "check-in", BOB, "key-1", "server")] * 20)
    assert again == [first] * 20
    assert await figures() == {"available": 10}
    with pytest.raises(ConflictError):
        await calls.act(ALICE, "check-in", "7002", "key-1", "server")
    flow = await calls.act(ALICE, "check-in", f"gid://shopify/Customer/{BOB}", "key-1", "flow")
    assert flow["outcome"] == "given", "Flow's keys are Flow's"


async def test_one_key_for_two_customers_at_once_gives_one_of_them(stores) -> None:
    await program()
    await way("action", 10, handle="check-in", per="day", times=5)
    found = await asyncio.gather(
        *(calls.act(ALICE, "check-in", who, "key-1", "server") for who in (BOB, "7002")),
        return_exceptions=True,
    )
    assert sorted(type(answer).__name__ for answer in found) == ["ConflictError", "dict"]
    assert (await figures()).get("available", 0) + (await figures("7002")).get("available", 0) == 10


async def test_what_makes_no_sense_is_refused_with_a_sentence(stores) -> None:
    await program()
    await way("action", 10, handle="check-in", per="day")
    with pytest.raises(BadInputError):
        await calls.act(ALICE, "check-in", "bob@example.com", "key-1", "server")
    with pytest.raises(NotFoundError):
        await calls.act(ALICE, "nothing", BOB, "key-1", "server")
    with pytest.raises(NotFoundError):
        await calls.act("charlie.myshopify.com", "check-in", BOB, "key-1", "server")
    await program(state="paused")
    with pytest.raises(RefusedError):
        await calls.act(ALICE, "check-in", BOB, "key-2", "server")
    assert await figures() == {}


async def test_following_is_taken_on_trust_and_once(stores) -> None:
    await program()
    first = await way("follow", 20, url="https://instagram.com/alice")
    second = await way("follow", 15, url="https://tiktok.com/@alice")
    for _ in range(2):
        for followed in (first, second):
            await calls.honour(ALICE, BOB, str(followed.id))
    assert await figures() == {"available": 35}
    action = await way("action", 10, handle="review")
    with pytest.raises(NotFoundError):
        await calls.honour(ALICE, BOB, str(action.id))
    await actions.switch(ALICE, str(first.id), "Alice", is_active=False)
    with pytest.raises(NotFoundError):
        await calls.honour(ALICE, "7002", str(first.id))


async def test_a_key_is_right_until_the_next_one_and_kept_as_a_hash(stores) -> None:
    key = await keys.make(ALICE, "Alice")
    await keys.check(keys.claimed(key))
    kept = await one("SELECT secret_hash FROM api_keys")
    assert key.encode() not in kept
    assert len(kept) == 32
    for wrong in (key[:-1] + ("A" if key[-1] != "A" else "B"), key.replace("alice", "charlie")):
        with pytest.raises(UnauthorizedError):
            await keys.check(keys.claimed(wrong))
    with pytest.raises(UnauthorizedError):
        keys.claimed("hfk_alice")
    newer = await keys.make(ALICE, "Alice")
    with pytest.raises(UnauthorizedError):
        await keys.check(keys.claimed(key))
    await keys.check(keys.claimed(newer))
    shown = await keys.of_shop(ALICE)
    assert shown is not None
    assert newer.endswith(shown.hint)
    await keys.remove(ALICE)
    assert await keys.of_shop(ALICE) is None
    with pytest.raises(UnauthorizedError):
        await keys.check(keys.claimed(newer))
