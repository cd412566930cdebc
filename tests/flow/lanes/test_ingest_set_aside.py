"""What a drain cannot translate or write is set aside with its reason, and holds up nobody."""

import asyncpg
import msgspec
from structlog.testing import capture_logs

from app import db
from app.flow import dead_letters
from app.flow.lanes import backlog, ingest, lane
from app.flow.lanes import receipts as written
from tests.flow.helpers import letters, make_letters_due
from tests.flow.lanes.drains import (
    ALICE,
    BOB,
    STRANGER,
    Fact,
    admit,
    drain_once,
    fact_ids,
    item,
    known,
    receipts,
    translate,
)


async def test_what_cannot_be_translated_is_set_aside_with_its_reason_and_holds_up_nobody(
    stores: db.Stores,
):
    await admit(stores, item("w1"), item("bad", body=b"poison"), item("w2"), item("w3", BOB))
    await drain_once(stores)
    assert sorted(await fact_ids()) == ["w1", "w2", "w3"]
    assert (await receipts())["bad"] == "dead"
    (letter,) = await letters()
    assert (letter["service"], letter["shop"], letter["reference"]) == ("ingest", ALICE, "bad")
    assert (letter["state"], letter["reason"]) == ("dead", "This payload is poison.")
    assert lane.decode_item(bytes(letter["payload"])).body == b"poison"


async def test_a_webhook_set_aside_becomes_facts_when_it_is_replayed_after_the_repair(
    stores: db.Stores,
):
    await admit(stores, item("bad", body=b"poison"))
    await drain_once(stores)
    (letter,) = await letters()
    await dead_letters.replay(ALICE, letter["id"])
    await dead_letters.retry_due("ingest", ingest.replayer(translate, known))
    assert (await letters())[0]["state"] == "dead", "it is still poison"
    assert await fact_ids() == []

    def repaired(found):
        return [Fact("order.paid", {"id": found.webhook_id})]

    for _ in range(2):
        await dead_letters.replay(ALICE, letter["id"])
        await dead_letters.retry_due("ingest", ingest.replayer(repaired, known))
    assert await fact_ids() == ["bad"]
    assert (await letters())[0]["state"] == "done"
    assert await receipts() == {"bad": "facts"}


async def test_a_webhook_the_database_refuses_is_set_aside_and_the_rest_of_its_batch_is_written(
    stores, monkeypatch
):
    append = written.fact_log.append

    async def refuse_w2(connection, events):
        if any(b'"w2"' in bytes(one.data) for one in events):
            raise asyncpg.DataError("a value the database does not take")
        await append(connection, events)

    monkeypatch.setattr(written.fact_log, "append", refuse_w2)
    await admit(stores, item("w1"), item("w2"), item("w3"), item("b1", BOB))
    assert await drain_once(stores) == 4
    assert sorted(await fact_ids()) == ["b1", "w1", "w3"]
    assert await receipts() == {"w1": "facts", "w2": "dead", "w3": "facts", "b1": "facts"}
    assert [letter["reference"] for letter in await letters()] == ["w2"]
    assert (await backlog.depth(stores.queue, stores.config)).waiting == 0


async def test_a_failure_that_may_pass_is_tried_again_by_itself(stores: db.Stores, monkeypatch):
    def shaky(_item):
        raise RuntimeError("a bug of ours")

    await admit(stores, item("w1"))
    await ingest.drain_once(stores, shaky, known)
    assert [letter["state"] for letter in await letters()] == ["waiting"]
    await make_letters_due()
    assert await dead_letters.retry_due("ingest", ingest.replayer(translate, known)) == 1
    assert await fact_ids() == ["w1"]


async def test_bytes_in_a_lane_that_are_no_webhook_are_set_aside(stores: db.Stores):
    await admit(stores, item("w1"))
    await stores.queue.lset(f"lane:{ALICE}", 0, b"garbage")
    await admit(stores, item("w2"))
    await drain_once(stores)
    assert await fact_ids() == ["w2"]
    (letter,) = await letters()
    assert bytes(letter["payload"]) == b"garbage"
    assert (await backlog.depth(stores.queue, stores.config)).waiting == 0


async def test_an_unknown_topic_is_recorded(stores: db.Stores):
    await admit(stores, item("w1", topic="carts/update"))
    await drain_once(stores)
    assert await receipts() == {"w1": "unknown"}
    assert await fact_ids() == []


async def test_what_a_shop_that_has_not_opened_the_app_sends_waits_except_about_the_account(
    stores,
):
    await admit(stores, item("w1", STRANGER), item("bad", STRANGER, body=b"poison"))
    await admit(
        stores,
        item("gone", STRANGER, topic="app/uninstalled"),
        item("erase", STRANGER, topic="shop/redact"),
    )
    await drain_once(stores)
    assert await receipts() == {
        "w1": "dead",
        "bad": "recorded",
        "gone": "facts",
        "erase": "facts",
    }
    assert await fact_ids() == ["gone", "erase"]
    (letter,) = await letters()
    assert (letter["reference"], letter["state"]) == ("w1", "waiting")


async def test_webhooks_of_another_api_version_are_taken_and_announced_once(stores: db.Stores):
    strange = [
        msgspec.structs.replace(item(f"w{number}"), api_version="2031-01") for number in range(2)
    ]
    with capture_logs() as lines:
        for one in strange:
            await admit(stores, one)
            await drain_once(stores)
    assert [line["version"] for line in lines if "version" in line] == ["2031-01"]
    assert await fact_ids() == ["w0", "w1"]
