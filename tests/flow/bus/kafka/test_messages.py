"""A message is what the relay wrote, at the place it wrote it for, or it is not believed."""

from datetime import date
from typing import Any

import pytest

from app import config as settings
from app.flow import event as envelope
from app.flow.bus.kafka import messages
from app.flow.event import BadEventError, BadSignatureError

SECRETS = ("a secret of ours that is long",)
ROW = {
    "part": 3,
    "tx": 700,
    "id": 12,
    "day": date(2026, 11, 27),
    "entry": "an-entry",
    "signed_at": 1_790_000_000,
    "signature": "v1,abc",
    "topics": ["order.paid", "order.refunded"],
    "facts": 5,
    "body": b"\x00packed\xff",
}


class Given:
    """What the client of Kafka gives."""

    def __init__(self, headers: list[tuple[str, bytes]], body: bytes, part: int = 3) -> None:
        self.given = headers, body, part

    def headers(self) -> list[tuple[str, bytes]]:
        return self.given[0]

    def value(self) -> bytes:
        return self.given[1]

    def partition(self) -> int:
        return self.given[2]

    def offset(self) -> int:
        return 99


@pytest.fixture(autouse=True)
def _secrets(config: settings.Config) -> Any:
    envelope.use_secrets(SECRETS)
    yield
    envelope.use_secrets(config.event_secrets)


def written() -> list[tuple[str, bytes]]:
    return messages.headers(ROW, (690, 11), "timeline 1")


def test_what_is_written_is_read() -> None:
    found = messages.read(Given(written(), ROW["body"]), SECRETS)
    assert found.place == (3, 700, 12, date(2026, 11, 27))
    assert (found.position, found.after, found.timeline) == ((700, 12), (690, 11), "timeline 1")
    assert (found.facts, found.offset) == (5, 99)
    entry = found.entry(frozenset({"order.paid"}))
    assert (entry.name, entry.signed_at, entry.signature, entry.body) == (
        "an-entry",
        1_790_000_000,
        "v1,abc",
        b"\x00packed\xff",
    )
    assert found.head(frozenset({"order.paid"})).wanted
    assert not found.head(frozenset({"tier.changed"})).wanted
    assert found.entry(frozenset({"tier.changed"})).body == b""


@pytest.mark.parametrize("name", [*messages.SEALED, messages.SEAL])
def test_not_a_single_header_can_be_changed_or_left_out(name: str) -> None:
    changed = [(one, value + b"1" if one == name else value) for one, value in written()]
    left_out = [(one, value) for one, value in written() if one != name]
    for headers in (changed, left_out):
        with pytest.raises(BadEventError):
            messages.read(Given(headers, ROW["body"]), SECRETS)


def test_the_body_the_partition_and_the_secret_are_its_own() -> None:
    with pytest.raises(BadSignatureError):
        messages.read(Given(written(), b"another"), SECRETS)
    with pytest.raises(BadSignatureError):
        messages.read(Given(written(), ROW["body"]), ("another secret",))
    with pytest.raises(BadEventError):
        messages.read(Given(written(), ROW["body"], part=4), SECRETS)
    assert messages.read(Given(written(), ROW["body"]), ("newer", *SECRETS)).facts == 5


def test_values_cannot_be_moved_from_one_header_into_the_next() -> None:
    headers = dict(written())
    moved = {**headers, "entry": b"an-entry\n1790000000", "signed-at": b""}
    with pytest.raises(BadEventError):
        messages.read(Given(list(moved.items()), ROW["body"]), SECRETS)


@pytest.mark.parametrize("headers", [[], [("entry", None)], [("signed-at", "²".encode())]])
def test_what_is_no_message_of_ours_at_all_is_refused_and_told(headers: Any) -> None:
    with pytest.raises(BadSignatureError):
        messages.read(Given(headers, b""), SECRETS)
    name, signed_at, signature = messages.proof(Given(headers, b"")).split(" ", 2)
    assert (name, int(signed_at), signature) == ("-", 0, "")
