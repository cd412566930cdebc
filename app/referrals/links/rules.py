"""How many links a shop gets, and what a link looks like."""

import re

HOUR_MAX = 10
BURST = 10
# a full bucket and the refill of an hour: a Redis that forgot its buckets makes it no more
ANY_HOUR_MAX = HOUR_MAX + BURST
RATE_PER_SECOND = HOUR_MAX / 3_600
CODE = re.compile(r"[0-9a-hjkmnp-tv-z]{10}")
PREFIX = "/apps/holdfast"  # where the app proxy stands unless the merchant moved it


def is_code(typed: str) -> bool:
    return CODE.fullmatch(typed) is not None


def address(shop_url: str, code: str, prefix: str = "") -> str:
    """The address of a link, in the shop's own storefront."""
    return f"{shop_url}{prefix or PREFIX}/r/{code}"
