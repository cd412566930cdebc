"""The envelope: its bytes, its signature, its versions."""

import base64
import hashlib
import hmac
import json
import uuid
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.flow import event as envelope
from app.flow.event import BadEventError, BadSignatureError
from tests.flow.helpers import SHOP, order

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(data=JSON, trace=st.text())
def test_an_event_is_the_same_after_encoding_and_decoding(data: object, trace: str) -> None:
    event = envelope.new(
        "order.paid", SHOP, SHOP, data, trace=trace, occurred_at="2026-03-01T10:00:00+01:00"
    )
    body = envelope.encode(event)
    read = envelope.decode(body)
    assert read == event
    assert msgspec.json.decode(read.data) == data
    assert envelope.encode(read) == body, "a dead letter that is replayed must hold what was signed"


def test_ids_are_ordered_by_time_and_tell_their_age() -> None:
    ids = [envelope.new_id() for _ in range(1_000)]
    assert len(set(ids)) == 1_000
    assert [one[:13] for one in ids] == sorted(one[:13] for one in ids)
    assert {uuid.UUID(one).version for one in ids} == {7}
    assert {uuid.UUID(one).variant for one in ids} == {uuid.RFC_4122}
    assert 0 <= envelope.age_seconds(ids[0]) < 5
    assert envelope.age_seconds("made elsewhere") == 0


def test_the_signature_is_that_of_standard_webhooks() -> None:
    # computed by hand from the specification: base64(HMAC-SHA256(secret, id.timestamp.body))
    key = base64.b64encode(b"0123456789abcdef01234567").decode()
    expected = hmac.new(
        b"0123456789abcdef01234567", b'msg_1.1614265330.{"a":1}', hashlib.sha256
    ).digest()
    signature = envelope.sign("msg_1", 1614265330, b'{"a":1}', [f"whsec_{key}"])
    assert signature == "v1," + base64.b64encode(expected).decode()


def test_the_first_secret_signs_and_all_verify() -> None:
    old, new = "the old secret", "the new secret"
    by_old = envelope.sign("1", 5, b"body", [old])
    by_new = envelope.sign("1", 5, b"body", [new, old])
    envelope.verify("1", 5, b"body", by_old, [new, old])
    envelope.verify("1", 5, b"body", by_new, [old, new])
    envelope.verify("1", 5, b"body", f"v2,other {by_old} {by_new}", [new])
    with pytest.raises(BadSignatureError):
        envelope.verify("1", 5, b"body", by_old, [new])


@pytest.mark.parametrize(
    ("event_id", "timestamp", "body", "signature"),
    [
        ("2", 5, b"body", None),
        ("1", 6, b"body", None),
        ("1", 5, b"bodY", None),
        ("1", 5, b"body", ""),
        ("1", 5, b"body", "v1,"),
        ("1", 5, b"body", "v1,é"),
        ("1", 5, b"body", "v2,AAAA"),
    ],
)
def test_what_was_not_signed_is_refused(
    event_id: str, timestamp: int, body: bytes, signature: str | None
) -> None:
    genuine = envelope.sign("1", 5, b"body", ["secret"])
    with pytest.raises(BadSignatureError) as raised:
        envelope.verify(
            event_id, timestamp, body, genuine if signature is None else signature, ["secret"]
        )
    assert raised.value.permanent


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{}", b'{"id": 1}', b"\xff\xfe", b'{"id":"1","topic":"t"}']
)
def test_bytes_that_are_no_event_are_refused_for_good(body: bytes) -> None:
    with pytest.raises(BadEventError) as raised:
        envelope.decode(body)
    assert raised.value.permanent


@pytest.fixture
def parcel_topic() -> Iterator[str]:
    """A made-up topic on its third version: `weight` became `grams`, then got a `fragile`."""
    envelope.UPCASTS["parcel.sent", 1] = lambda data: {"grams": data["weight"] * 1000}
    envelope.UPCASTS["parcel.sent", 2] = lambda data: {**data, "fragile": False}
    yield "parcel.sent"
    del envelope.UPCASTS["parcel.sent", 1], envelope.UPCASTS["parcel.sent", 2]


@pytest.mark.parametrize(
    ("version", "data"),
    [(1, {"weight": 2}), (2, {"grams": 2000}), (3, {"grams": 2000, "fragile": False})],
)
def test_an_older_version_is_read_as_the_current_one(
    parcel_topic: str, version: int, data: object
) -> None:
    raw = msgspec.Raw(json.dumps(data).encode())
    made = msgspec.structs.replace(order(1, topic=parcel_topic), version=version, data=raw)
    read = envelope.decode(envelope.encode(made))
    assert read.version == 3
    assert msgspec.json.decode(read.data) == {"grams": 2000, "fragile": False}
    assert envelope.new(parcel_topic, SHOP, SHOP, {}, trace="").version == 3


@pytest.mark.parametrize(
    ("version", "code"), [(4, "unknown_version"), (0, "bad_event"), (-1, "bad_event")]
)
def test_a_version_nobody_here_knows_is_refused(parcel_topic: str, version: int, code: str) -> None:
    made = msgspec.structs.replace(order(1, topic=parcel_topic), version=version)
    with pytest.raises(BadEventError) as raised:
        envelope.decode(envelope.encode(made))
    assert raised.value.code == code
    assert str(version) in raised.value.message


def test_a_version_from_the_future_is_refused_where_nothing_is_upcast() -> None:
    made = msgspec.structs.replace(order(1), version=2)
    with pytest.raises(BadEventError):
        envelope.decode(envelope.encode(made))
