"""What holds for every request, whichever way it comes in: an id that its log lines share, and
a largest body.
"""

import os
import re

BODY_BYTES_MAX = 5 * 1024 * 1024
_SANE = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]{7,127}")


def sane_id(asked: bytes) -> bytes:
    """The id the caller gave in `x-request-id` when it is sane, otherwise one made here."""
    return asked if _SANE.fullmatch(asked) else os.urandom(16).hex().encode()
