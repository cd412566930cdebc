"""The ring of a shop: in which step of a canary it comes to a new release.

The router puts shops into the same ones, by the same sum, which HAProxy and Python both have.
"""

import zlib

BUCKETS = 10_000
# the steps of a canary, in parts of 10,000, by the ring that each adds
STEPS = {"5": 500, "25": 2_500, "50": 5_000, "100": BUCKETS}


def bucket_of(shop: str) -> int:
    """From 0 to 9,999; shops below a canary's share are its."""
    return zlib.crc32(shop.encode()) % BUCKETS


def ring_of(shop: str) -> str:
    bucket = bucket_of(shop)
    return next(ring for ring, share in STEPS.items() if bucket < share)
