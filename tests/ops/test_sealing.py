"""What is sealed opens as it was, with any key that is known, or says that it cannot."""

import io
import os
import random

import pytest

from ops.backup import sealing
from ops.backup.sealing import DamagedError

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
SIZES = (0, 1, sealing.PIECE_BYTES, 3 * sealing.PIECE_BYTES + 17)


def sealed(content: bytes, key: bytes = KEY) -> bytes:
    out = io.BytesIO()
    sealer = sealing.Sealer(out, key)
    for start in range(0, len(content), 100_000):
        sealer.write(content[start : start + 100_000])
    sealer.close()
    assert sealer.sealed_bytes == len(out.getvalue())
    return out.getvalue()


def opened(text: bytes, *keys: bytes) -> bytes:
    return sealing.open_sealed(io.BytesIO(text), keys or (KEY,)).read()


@pytest.mark.parametrize("size", SIZES)
def test_what_was_sealed_opens_as_it_was(size: int) -> None:
    content = random.Random(size).randbytes(size)
    assert opened(sealed(content)) == content


def test_zeros_cost_almost_nothing_and_nothing_of_the_content_shows() -> None:
    assert len(sealed(bytes(16 * sealing.PIECE_BYTES))) < 100_000
    assert b"bob@example.com" not in sealed(b"bob@example.com" * 10)
    assert sealed(b"the same") != sealed(b"the same")


def test_keys_rotate_the_old_one_opens_what_it_sealed() -> None:
    text = sealed(b"of before", OTHER)
    assert opened(text, KEY, OTHER) == b"of before"
    with pytest.raises(DamagedError, match=sealing.name_of(OTHER)):
        opened(text, KEY)


def test_every_changed_byte_is_noticed() -> None:
    text = sealed(os.urandom(2_000))
    for place in range(0, len(text), 37):
        changed = bytearray(text)
        changed[place] ^= 1
        with pytest.raises(DamagedError):
            opened(bytes(changed))


def test_a_file_that_was_cut_off_is_noticed_wherever() -> None:
    text = sealed(os.urandom(2 * sealing.PIECE_BYTES + 500))
    whole_piece = sealing.HEADER_BYTES + sealing.PIECE_BYTES + sealing.TAG_BYTES
    for length in (0, 5, sealing.HEADER_BYTES, 1_000, whole_piece, len(text) - 1):
        with pytest.raises(DamagedError):
            opened(text[:length])


def test_pieces_that_change_places_or_files_are_noticed() -> None:
    one, other = (sealed(os.urandom(2 * sealing.PIECE_BYTES)) for _ in range(2))
    begin, size = sealing.HEADER_BYTES, sealing.PIECE_BYTES + sealing.TAG_BYTES
    swapped = one[:begin] + one[begin + size : begin + 2 * size] + one[begin : begin + size]
    with pytest.raises(DamagedError):
        opened(swapped + one[begin + 2 * size :])
    with pytest.raises(DamagedError):
        opened(one[:begin] + other[begin : begin + size] + one[begin + size :])


def test_a_key_that_is_too_short_is_refused() -> None:
    assert sealing.key_of(sealing.written(KEY)) == KEY
    with pytest.raises(ValueError, match="32 bytes"):
        sealing.key_of("c2hvcnQ=")
