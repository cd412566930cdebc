"""One product of a list for nothing.

Shopify makes one piece free only where something else is bought with it; a percentage would make
every piece free that is in the cart. Without a purchase it is the price of the dearest, once.
"""

from app.points.rewards.kinds import codes
from app.points.rewards.kinds.parts import Lease, Wish

SETTLES_SECONDS = codes.SETTLES_SECONDS
find, take_back = codes.find, codes.take_back


def send(lease: Lease) -> Wish:
    """A code for one piece, whatever it costs, or for the amount once."""
    if lease.details.bought:
        return codes.one_free(lease)
    amount = {"amount": str(lease.amount_off), "appliesOnEachItem": False}
    return codes.basic(lease, {"discountAmount": amount})
