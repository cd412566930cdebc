"""Webhooks packed to be kept: those of a partition deflated together, then sealed by the house."""

import hmac
import os
import zlib
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Sequence
from datetime import date
from functools import lru_cache
from hashlib import blake2b

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.errors import HoldfastError
from app.flow.event import Event

PACK_LEVEL = 1  # a fourteenth of alike orders for 3 µs a kilobyte; more costs more than it saves
UNPACKED_BYTES_MAX = 64 * 1024 * 1024
NONCE_BYTES = 12
TOLD_BYTES = 8
NOTHING_TOLD = bytes(TOLD_BYTES)  # in the place of a digest
LABEL = b"holdfast kept webhooks "

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[bytes]).decode
_keys: list[bytes] = []


class SealedError(HoldfastError):
    """No key of this process opens these webhooks, or they were changed (permanent)."""

    permanent, code = True, "sealed"


def use_keys(token_keys: Sequence[str]) -> None:
    """What this process seals kept webhooks by: the first of TOKEN_KEYS; all of them open."""
    _keys[:] = [urlsafe_b64decode(key) for key in token_keys]


def pack(items: Sequence[bytes], part: int, day: date) -> bytes:
    """Encoded webhooks as the body of a row of that partition and day: a random nonce, then
    AES-256-GCM of their deflated MessagePack array.
    """
    if not _keys:
        raise RuntimeError("use_keys comes before the first webhook is kept")
    nonce = os.urandom(NONCE_BYTES)
    packed = zlib.compress(_encode(items), PACK_LEVEL)
    return nonce + _box(_keys[0], day).encrypt(nonce, packed, _where(part))


def unpack(body: bytes, part: int, day: date) -> list[bytes]:
    """The encoded webhooks of a row. Raises SealedError."""
    packed = None
    for key in _keys:
        try:
            packed = _box(key, day).decrypt(body[:NONCE_BYTES], body[NONCE_BYTES:], _where(part))
            break
        except (InvalidTag, ValueError):
            continue
    if packed is None:
        raise SealedError("These kept webhooks cannot be opened by any of TOKEN_KEYS.")
    return _decode(zlib.decompressobj().decompress(packed, UNPACKED_BYTES_MAX))


def digest(told: Iterable[tuple[str, bytes | msgspec.Raw]]) -> bytes:
    """What was told of a webhook, topic and encoded data of each fact, as eight bytes: the same
    for the same words.
    """
    found = blake2b(digest_size=TOLD_BYTES)
    is_told = False
    for topic, data in told:
        is_told = True
        found.update(topic.encode())
        found.update(data)
    return found.digest() if is_told else NOTHING_TOLD


def of_events(events: Iterable[Event]) -> bytes:
    """The digest of facts as they stand in the log."""
    return digest((event.topic, event.data) for event in events)


def _where(part: int) -> bytes:
    return b"%d" % part


@lru_cache(maxsize=64)
def _box(key: bytes, day: date) -> AESGCM:
    """A key a day, so that random nonces never come to repeat."""
    return AESGCM(hmac.digest(key, LABEL + day.isoformat().encode(), "sha256"))
