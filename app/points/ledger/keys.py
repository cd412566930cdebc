"""The keys people's wishes come with, so that a wish asked twice is done once."""

from hashlib import sha256

import msgspec

from app import text
from app.errors import BadInputError

KEY_LENGTH_MAX = 128


def checked_key(key: str) -> str:
    """The key as it is. Raises BadInputError for one that cannot be kept."""
    if not 1 <= len(key) <= KEY_LENGTH_MAX or text.clean(key, KEY_LENGTH_MAX) != key:
        raise BadInputError(f"An idempotency key has 1 to {KEY_LENGTH_MAX} characters.")
    return key


def fingerprint(*parts: str) -> str:
    """Of what was asked for, to tell a repeat from another wish under the same key."""
    return sha256(msgspec.json.encode(parts)).hexdigest()
