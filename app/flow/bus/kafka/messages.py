"""An entry of the log as a message of Kafka: its body as it is, all else in headers, sealed.

The seal is a signature over headers and body: who can write to the topic can neither make an entry
up nor give a true one another place. `after` is the entry before it in its partition, so that a
reader sees whether something is missing between what it has and what came.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from app.flow import event as envelope
from app.flow.bus.interface import Entry, Head, Place
from app.flow.event import BadEventError

VERSION = "1"
SEALED = (
    "version",
    "timeline",
    "position",
    "after",
    "entry",
    "signed-at",
    "signature",
    "topics",
    "facts",
)
SEAL = "seal"
PROOF_LENGTH_MAX = 500
NUMBER_LENGTH_MAX = 16
FRAME_BYTES = 100  # around a message, and around a batch of one

Header = tuple[str, str | bytes | None]  # as the client of Kafka types it
Position = tuple[int, int]  # transaction and id: the order within a partition


class NewerMessageError(BadEventError):
    """A message of ours, by a relay of another release: what is in it is read from the log."""


class Message(NamedTuple):
    """An entry that came by Kafka; `timeline` is the database it was copied from."""

    place: Place
    after: Position
    timeline: str
    topics: frozenset[str]
    facts: int
    name: str
    signed_at: int
    signature: str
    body: bytes
    offset: int

    @property
    def position(self) -> Position:
        return self.place.tx, self.place.id

    def head(self, topics: frozenset[str]) -> Head:
        return Head(self.place, self.facts, len(self.body), bool(topics & self.topics))

    def entry(self, topics: frozenset[str]) -> Entry:
        body = self.body if topics & self.topics else b""
        return Entry(self.place, self.name, self.signed_at, self.signature, body)


def headers(row: Mapping[str, Any], after: Position, timeline: str) -> list[Header]:
    """The headers of an entry (`row`: a row of the log) that follows `after`."""
    values = (
        VERSION,
        timeline,
        f"{row['part']} {row['tx']} {row['id']} {row['day']}",
        f"{after[0]} {after[1]}",
        row["entry"],
        str(row["signed_at"]),
        row["signature"],
        ",".join(row["topics"]),
        str(row["facts"]),
    )
    sealed_at, seal = envelope.signed(SEAL, _sealed(values, row["body"]))
    named = zip((*SEALED, SEAL), (*values, f"{sealed_at} {seal}"), strict=True)
    return [(name, value.encode()) for name, value in named]


def size(body: bytes, headers: Sequence[Header]) -> int:
    """The bytes of a message, as Kafka counts them or a few more."""
    return (
        len(body) + FRAME_BYTES + sum(len(name) + len(value or b"") + 4 for name, value in headers)
    )


def read(found: Any, secrets: Sequence[str]) -> Message:
    """The entry in a message of Kafka's client.

    Raises BadSignatureError for one the relay did not write, BadEventError for one of another
    partition, NewerMessageError for one of a version this program does not know.
    """
    given = _texts(found)
    body = found.value() or b""
    values = [given.get(name, "") for name in SEALED]
    sealed_at, _, seal = given.get(SEAL, "").partition(" ")
    envelope.verify(SEAL, _number(sealed_at), _sealed(values, body), seal, secrets)
    version, timeline, position, after, name, signed_at, signature, topics, facts = values
    if version != VERSION:
        raise NewerMessageError(f"A message of version {version} is not known here.")
    part, tx, number, day = position.split(" ")
    if int(part) != found.partition():
        raise BadEventError("The message stands in a partition that is not its own.")
    after_tx, after_number = after.split(" ")
    return Message(
        Place(int(part), int(tx), int(number), date.fromisoformat(day)),
        (int(after_tx), int(after_number)),
        timeline,
        frozenset(topics.split(",")),
        int(facts),
        name,
        int(signed_at),
        signature,
        body,
        found.offset(),
    )


def proof(found: Any) -> str:
    """What a message that is not to be believed says of its entry, to be looked at again when its
    letter is replayed: name, time and signature.
    """
    given = _texts(found)
    name = "".join(given.get("entry", "").split()) or "-"
    signature = given.get("signature", "")[:PROOF_LENGTH_MAX]
    said = f"{name[:PROOF_LENGTH_MAX]} {_number(given.get('signed-at', ''))} {signature}"
    return said.replace("\x00", "")


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < NUMBER_LENGTH_MAX else 0


def _sealed(values: Sequence[str], body: bytes) -> bytes:
    return "\n".join((*values, "")).encode() + body


def _texts(found: Any) -> dict[str, str]:
    given: list[tuple[str, bytes | None]] = found.headers() or []
    return {name: (value or b"").decode(errors="replace") for name, value in given}
