"""Files sealed in bounded pieces: compressed, encrypted with AES-GCM, opened by any known key."""

import hashlib
import io
import secrets
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MAGIC = b"HFSEAL1\n"
KEY_BYTES, NAME_BYTES, SALT_BYTES, TAG_BYTES, NONCE_BYTES = 32, 8, 16, 16, 12
PIECE_BYTES = 1024 * 1024
COMPRESSION = 1  # a segment of the log that is switched after a minute is zeros for the most part
HEADER_BYTES = len(MAGIC) + NAME_BYTES + SALT_BYTES


class DamagedError(Exception):
    """What was sealed cannot be opened as it was: changed, cut off, or sealed by a key that is not
    known.
    """


def key_of(text: str) -> bytes:
    """The key written as 32 bytes in URL-safe base64. Raises ValueError for anything else."""
    key = urlsafe_b64decode(text)
    if len(key) != KEY_BYTES:
        raise ValueError("a key has 32 bytes, in URL-safe base64")
    return key


def written(key: bytes) -> str:
    """The key as `key_of` reads it."""
    return urlsafe_b64encode(key).decode()


class Sealer(io.RawIOBase):
    """Writes what it is given, sealed with `key`, to `out`; `close` puts the end under seal, too,
    and leaves `out` open.

    Each file has a key of its own, made from `key` and a random salt, so the pieces are simply
    numbered; the number says besides which is the last, so that none can be left out or added.
    """

    def __init__(self, out: BinaryIO, key: bytes) -> None:
        self._out = out
        salt = secrets.token_bytes(SALT_BYTES)
        self._header = MAGIC + _name(key) + salt
        self._cipher = _cipher(key, salt)
        self._deflate = zlib.compressobj(COMPRESSION)
        self._pending = bytearray()
        self._number = 0
        self.sealed_bytes = out.write(self._header)

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        raw = bytes(data)  # type: ignore[call-overload]
        self._pending += self._deflate.compress(raw)
        while len(self._pending) > PIECE_BYTES:
            self._seal(bytes(self._pending[:PIECE_BYTES]), is_last=False)
            del self._pending[:PIECE_BYTES]
        return len(raw)

    def close(self) -> None:
        if self.closed:
            return
        self._pending += self._deflate.flush()
        while len(self._pending) > PIECE_BYTES:
            self._seal(bytes(self._pending[:PIECE_BYTES]), is_last=False)
            del self._pending[:PIECE_BYTES]
        self._seal(bytes(self._pending), is_last=True)
        super().close()

    def _seal(self, piece: bytes, *, is_last: bool) -> None:
        nonce = _nonce(self._number, is_last=is_last)
        self.sealed_bytes += self._out.write(self._cipher.encrypt(nonce, piece, self._header))
        self._number += 1


class Opened(io.RawIOBase):
    """Reads what a Sealer wrote to `source`, with whichever of `keys` it was sealed with.

    Raises DamagedError where a piece was changed, and at the end where the end is missing: what
    was read before is to be thrown away then.
    """

    def __init__(self, source: BinaryIO, keys: Sequence[bytes]) -> None:
        self._source = source
        self._header = source.read(HEADER_BYTES)
        name = self._header[len(MAGIC) : len(MAGIC) + NAME_BYTES]
        if len(self._header) != HEADER_BYTES or not self._header.startswith(MAGIC):
            raise DamagedError("it is no sealed file, or was cut off at its beginning")
        found = [key for key in keys if _name(key) == name]
        if not found:
            raise DamagedError(f"it was sealed with the key {name.hex()}, which is not known here")
        self._cipher = _cipher(found[0], self._header[-SALT_BYTES:])
        self._inflate = zlib.decompressobj()
        self._pending = b""
        self._number = 0
        self._next = source.read(PIECE_BYTES + TAG_BYTES)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object, /) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        while True:
            try:
                found = self._inflate.decompress(self._pending, len(view))
            except zlib.error as error:
                raise DamagedError("what was sealed is no compressed file") from error
            self._pending = self._inflate.unconsumed_tail
            if found:
                view[: len(found)] = found
                return len(found)
            if self._next:
                self._pending += self._open()
            elif self._inflate.eof:
                return 0
            else:
                raise DamagedError("it was cut off")

    def _open(self) -> bytes:
        piece, self._next = self._next, self._source.read(PIECE_BYTES + TAG_BYTES)
        nonce = _nonce(self._number, is_last=not self._next)
        self._number += 1
        try:
            return self._cipher.decrypt(nonce, piece, self._header)
        except InvalidTag as error:
            raise DamagedError(f"its piece {self._number} was changed or is cut off") from error


def open_sealed(source: BinaryIO, keys: Sequence[bytes]) -> io.BufferedReader:
    """A reader of what is sealed in `source`. Raises DamagedError, while reading, too."""
    return io.BufferedReader(Opened(source, keys), PIECE_BYTES)


def name_of(key: bytes) -> str:
    """What a key is called where it must not be shown."""
    return _name(key).hex()


def _name(key: bytes) -> bytes:
    return hashlib.sha256(b"name of a key" + key).digest()[:NAME_BYTES]


def _cipher(key: bytes, salt: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), KEY_BYTES, salt, MAGIC).derive(key))


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(NONCE_BYTES - 1, "big") + (b"\x01" if is_last else b"\x00")
