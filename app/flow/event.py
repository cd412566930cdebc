"""A fact on its way between services: its envelope, its bytes, its signature and its schema
version.
"""

import hmac
import os
import time
import zlib
from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from app.errors import HoldfastError
from app.facts import UPCASTS

PACK_LEVEL = 1  # a third of the size for 6 µs a fact; more costs more than it saves
UNPACKED_BYTES_MAX = 64 * 1024 * 1024
VARIANTS = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}  # of a UUID


class BadEventError(HoldfastError):
    """These bytes are no event (permanent)."""

    status, permanent, code = 400, True, "bad_event"


class BadSignatureError(BadEventError):
    """Nobody who knows an event secret signed these bytes (permanent)."""

    code = "bad_signature"


class NewerVersionError(BadEventError):
    """An event of a version this program does not know yet: it waits for the release that does."""

    permanent, code = False, "unknown_version"
    waits_seconds = 60.0


class Event(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """`data` stays undecoded: only the service that handles the topic knows its shape."""

    id: str  # UUIDv7: time-ordered, also names the event when it is dropped as a repeat
    topic: str
    version: int
    shop: str
    key: str  # what keeps its order on the bus: the shop
    occurred_at: str  # ISO 8601 with offset, when it happened at its source
    trace: str  # request id of what caused it, or more: see app.telemetry.carriers
    data: msgspec.Raw
    received_ms: int = 0  # when the webhook came that told it, 0 for what none did


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Event)
_list_decoder = msgspec.json.Decoder(list[Event])
_signing: list[str] = []


def current_version(topic: str) -> int:
    version = 1
    while (topic, version) in UPCASTS:
        version += 1
    return version


def new(
    topic: str,
    shop: str,
    key: str,
    data: object,
    *,
    trace: str,
    occurred_at: str | None = None,
    received_ms: int = 0,
) -> Event:
    """An event of the topic's current version; `data` is anything msgspec encodes,
    `occurred_at` defaults to now.
    """
    return Event(
        id=new_id(),
        topic=topic,
        version=current_version(topic) if UPCASTS else 1,
        shop=shop,
        key=key,
        occurred_at=occurred_at or datetime.now(UTC).isoformat(),
        trace=trace,
        data=msgspec.Raw(_encoder.encode(data)),
        received_ms=received_ms,
    )


def new_id() -> str:
    """A UUIDv7 as text: 48 bits of milliseconds, 74 random bits."""
    milliseconds, chance = f"{time.time_ns() // 1_000_000:012x}", os.urandom(10).hex()
    variant = VARIANTS[chance[3]]
    return (
        f"{milliseconds[:8]}-{milliseconds[8:]}-7{chance[:3]}-{variant}{chance[4:7]}-{chance[7:19]}"
    )


def age_seconds(event_id: str) -> float:
    """How long ago the event was made, as its id tells; 0 for an id made elsewhere, and when
    clocks disagree.
    """
    try:
        milliseconds = int(event_id[:8] + event_id[9:13], 16)
    except ValueError:
        return 0.0
    return max(0.0, time.time() - milliseconds / 1000)


def occurred_at(event: Event) -> datetime:
    """When it happened, by whoever told it. Raises BadEventError."""
    try:
        at = datetime.fromisoformat(event.occurred_at)
    except ValueError as error:
        raise BadEventError("The event does not say when it occurred.") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def encode(event: Event) -> bytes:
    return _encoder.encode(event)


def decode(body: bytes) -> Event:
    """The event in `body`, its data brought to the current version of its topic.

    Raises BadEventError when the bytes are no event, or are of a version this program does not know
    yet.
    """
    return upcast(parse(body))


def parse(body: bytes) -> Event:
    """The event in `body` with its data as it was written. Raises BadEventError."""
    try:
        return _decoder.decode(body)
    except msgspec.DecodeError as error:
        raise BadEventError(f"Not an event: {error}") from error


def upcast(event: Event) -> Event:
    """The event with its data brought to the current version. Raises BadEventError for a
    version not known here.
    """
    if event.version == 1 and not UPCASTS:
        return event
    current = current_version(event.topic)
    if event.version < 1:
        raise BadEventError(f"{event.topic} has no version {event.version}.")
    if event.version > current:
        raise NewerVersionError(
            f"{event.topic} version {event.version} is not known here yet; the newest known is "
            f"{current}."
        )
    if event.version == current:
        return event
    data = msgspec.json.decode(event.data)
    for version in range(event.version, current):
        data = UPCASTS[event.topic, version](data)
    return msgspec.structs.replace(event, version=current, data=msgspec.Raw(_encoder.encode(data)))


def pack(bodies: Sequence[bytes]) -> bytes:
    """Encoded events as one body: a JSON array, deflated, because facts of a kind are alike."""
    return zlib.compress(b"[" + b",".join(bodies) + b"]", PACK_LEVEL)


def unpack(body: bytes) -> list[Event]:
    """The events of a packed body, their data as it was written. Raises BadEventError."""
    unpacking = zlib.decompressobj()
    try:
        found = _list_decoder.decode(unpacking.decompress(body, UNPACKED_BYTES_MAX))
    except (zlib.error, msgspec.DecodeError) as error:
        raise BadEventError(f"Not an entry of events: {error}") from error
    return found


def use_secrets(secrets: Sequence[str]) -> None:
    """What this process signs facts with: the first of EVENT_SECRETS."""
    _signing.clear()
    _signing.extend(secrets[:1])


def signed(name: str, body: bytes) -> tuple[int, str]:
    """The time (whole seconds since 1970) and the signature of a body by this process' secret."""
    if not _signing:
        raise RuntimeError("use_secrets comes before the first fact is written")
    now = int(time.time())
    return now, sign(name, now, body, _signing)


@lru_cache(maxsize=16)
def _key(secret: str) -> bytes:
    # Standard Webhooks writes secrets as whsec_<base64>; any other text is used as it is
    return (
        b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
    )


def sign(event_id: str, timestamp: int, body: bytes, secrets: Sequence[str]) -> str:
    """The Standard Webhooks signature `v1,<base64>` by the first secret; `timestamp` in whole
    seconds since 1970.
    """
    digest = hmac.digest(
        _key(secrets[0]), b"%b.%d.%b" % (event_id.encode(), timestamp, body), "sha256"
    )
    return "v1," + b64encode(digest).decode()


def verify(
    event_id: str, timestamp: int, body: bytes, signature: str, secrets: Sequence[str]
) -> None:
    """Accept any of the space-separated signatures made with any of the secrets, so that secrets
    can rotate.

    Raises BadSignatureError. The timestamp is not compared with the clock: a service that was away
    for a weekend reads old events, and a repeat is dropped by its id.
    """
    given = [part for part in signature.split(" ") if part.startswith("v1,")]
    for secret in secrets:
        expected = sign(event_id, timestamp, body, (secret,))
        if any(hmac.compare_digest(expected.encode(), part.encode()) for part in given):
            return
    raise BadSignatureError("The event is not signed by a secret this service knows.")
