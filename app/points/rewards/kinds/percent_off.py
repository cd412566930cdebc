"""A percentage off the order, or off some products."""

from decimal import Decimal

from app.points.rewards.kinds import codes
from app.points.rewards.kinds.parts import Lease, Wish

SETTLES_SECONDS = codes.SETTLES_SECONDS
find, take_back = codes.find, codes.take_back


def send(lease: Lease) -> Wish:
    """A code for the share; Shopify writes 100 % as 1.0."""
    share = float(Decimal(lease.details.percent) / 100)
    return codes.basic(lease, {"percentage": share})
