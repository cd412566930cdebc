"""One product of a list for nothing: its price, at most so much, off these products alone."""

from app.points.rewards.kinds import codes
from app.points.rewards.kinds.parts import Lease, Wish

SETTLES_SECONDS = codes.SETTLES_SECONDS
find, take_back = codes.find, codes.take_back


def send(lease: Lease) -> Wish:
    """A code for the amount, once, however many pieces there are."""
    amount = {"amount": str(lease.amount_off), "appliesOnEachItem": False}
    return codes.basic(lease, {"discountAmount": amount})
