"""A body belongs to the shop it came for first."""

from dataclasses import replace

from app import db
from app.flow import dead_letters
from app.flow.lanes import bodies, ingest
from tests.flow.helpers import letters, make_letters_due
from tests.flow.lanes.drains import (
    BOB,
    STRANGER,
    admit,
    drain_once,
    fact_ids,
    item,
    known,
    translate,
)

BODY = b'{"order": 1001, "of": "Alice", "padding": "' + b"x" * 64 + b'"}'


async def test_the_same_body_for_another_shop_is_set_aside_and_has_no_effect(
    stores: db.Stores,
) -> None:
    await admit(stores, item("w1", body=BODY))
    await drain_once(stores)
    await admit(stores, item("w2", BOB, body=BODY), item("w3", BOB, body=BODY + b" "))
    await drain_once(stores)
    assert await fact_ids() == ["w1", "w3"]
    (letter,) = await letters()
    assert (letter["shop"], letter["reference"], letter["state"]) == (BOB, "w2", "dead")
    assert letter["reason"] == "The same body came for another shop before."


async def test_its_own_shop_may_send_it_again_and_under_other_topics(stores: db.Stores) -> None:
    for name, topic in (("w1", "orders/create"), ("w2", "orders/paid"), ("w3", "orders/updated")):
        await admit(stores, item(name, topic=topic, body=BODY))
    await drain_once(stores)
    assert await fact_ids() == ["w1", "w2", "w3"]


async def test_of_two_shops_in_one_batch_the_first_has_it(stores: db.Stores) -> None:
    assert await bodies.foreign(
        stores.cache, [item("w1", body=BODY), item("w2", BOB, body=BODY), item("w3", body=BODY)]
    ) == [False, True, False]


async def test_a_merchant_who_replays_such_a_letter_gains_nothing(stores: db.Stores) -> None:
    await admit(stores, item("w1", body=BODY))
    await drain_once(stores)
    await admit(stores, item("w2", BOB, body=BODY))
    await drain_once(stores)
    await dead_letters.replay_all(BOB)
    await make_letters_due()
    await stores.cache.flushall()
    await dead_letters.retry_due("ingest", ingest.replayer(translate, known))
    assert await fact_ids() == ["w1"]
    assert [letter["state"] for letter in await letters()] == ["dead"]


async def test_what_says_nothing_may_be_said_by_two_shops(stores: db.Stores) -> None:
    await admit(stores, item("w1", body=b"{}"), item("w2", BOB, body=b"{}"))
    await drain_once(stores)
    assert sorted(await fact_ids()) == ["w1", "w2"]


async def test_without_redis_every_body_is_taken_for_its_own(stores: db.Stores) -> None:
    await bodies.foreign(stores.cache, [item("w1", body=BODY)])
    lost = replace(stores, cache=db.redis_client("redis://127.0.0.1:9/0"))
    assert await bodies.foreign(lost.cache, [item("w2", BOB, body=BODY)]) == [False]
    await lost.cache.aclose()


async def test_the_memory_has_one_size(stores: db.Stores) -> None:
    many = [item(f"w{number}", body=BODY + b"%d" % number) for number in range(2_000)]
    assert not any(await bodies.foreign(stores.cache, many))
    assert await stores.cache.strlen(bodies.KEY) <= bodies.PLACES * bodies.ENTRY_BYTES
    again = [item(one.webhook_id, BOB, body=one.body) for one in many]
    assert sum(await bodies.foreign(stores.cache, again)) > 1_900


async def test_a_body_of_another_shop_does_not_wait_for_the_opening_of_one_it_is_not_of(
    stores: db.Stores,
) -> None:
    await admit(stores, item("w1", body=BODY))
    await drain_once(stores)
    await admit(stores, item("w2", STRANGER, body=BODY), item("w3", STRANGER, body=BODY + b" "))
    await drain_once(stores)
    states = {one["reference"]: one["state"] for one in await letters()}
    assert states == {"w2": "dead", "w3": "waiting"}
