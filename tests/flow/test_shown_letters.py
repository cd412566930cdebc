"""What people are shown of a letter: its payload as text, and no more than a page."""

import json

import msgspec

from app import db
from app.flow import shown_letters
from app.flow.lanes.lane import LaneItem
from tests.flow.helpers import SHOP


def test_payloads_are_shown_as_text_people_can_read() -> None:
    assert json.loads(shown_letters.readable(b'{"a": {"b": "\xf0\x9f\x9b\x8d"}}')) == {
        "a": {"b": "🛍"}
    }
    item = msgspec.msgpack.encode(
        ["webhook-1", "orders/paid", SHOP, b'{"id": 1}', b"not json \xff"]
    )
    assert json.loads(shown_letters.readable(item)) == [
        "webhook-1",
        "orders/paid",
        SHOP,
        {"id": 1},
        "not json \ufffd",
    ]
    webhook = LaneItem(1, SHOP, "orders/paid", "webhook-1", "2026-07", "", "", "", b'{"id": 1}')
    shown = json.loads(shown_letters.readable(msgspec.msgpack.encode(webhook)))
    assert (shown["body"], shown["webhook_id"]) == ({"id": 1}, "webhook-1"), (
        "by the names of its fields"
    )
    assert shown_letters.readable(b"\xc1 neither") == "\ufffd neither"


def test_a_payload_that_is_long_or_nested_without_end_is_shown_from_its_beginning() -> None:
    nested = msgspec.msgpack.encode(["webhook-1", b"[" * 100_000])
    for payload in (nested, b"[" * 100_000, b"[" + b"1," * 2_000_000):
        shown = shown_letters.readable(payload)
        assert len(shown) < shown_letters.SHOWN_LENGTH_MAX + 100
        assert shown.endswith("characters more")


async def test_a_page_of_large_letters_asks_for_no_more_than_it_shows(stores: db.Stores) -> None:
    large = b'{"note": "' + b"x" * 4_900_000 + b'"}'
    async with db.transaction() as connection:
        await connection.execute(
            "INSERT INTO dead_letters (service, shop, topic, reference, payload, state, reason, "
            "attempts, history, proof, created_at, updated_at) SELECT 'ingest', $1, 'orders/paid', "
            "n::text, $2, 'dead', 'no', 1, '[]', '', now(), now() FROM generate_series(1, 20) n",
            SHOP,
            large,
        )
    found = await shown_letters.list_for_shop(SHOP)
    assert len(found.letters) == 20
    for letter in found.letters:
        assert letter.payload.startswith('{"note": "xxx')
        assert letter.payload.endswith(f"and {len(large) - 20_000:,} characters more")
        assert len(letter.payload) < shown_letters.SHOWN_LENGTH_MAX + 100
