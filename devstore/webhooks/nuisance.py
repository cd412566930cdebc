"""What is a nuisance about all webhooks from now on: twice, shuffled, sooner, by a wrong clock."""

import msgspec

from devstore.errors import FormError
from devstore.webhooks.sending import Webhooks

SCALE_LIMIT = 1000.0
CLOCK_LIMIT_HOURS = 24 * 366.0


class Nuisance(msgspec.Struct):
    """What is None stays as it is."""

    duplicate_ratio: float | None = None
    shuffle: bool | None = None
    time_scale: float | None = None  # of the waits before retries
    clock_hours: float | None = None  # how far `X-Shopify-Triggered-At` is ahead of the time


def change(webhooks: Webhooks, asked: Nuisance) -> None:
    """Raises FormError, before anything is changed, for what is out of bounds."""
    if asked.duplicate_ratio is not None and not 0 <= asked.duplicate_ratio <= 1:
        raise FormError("The ratio of duplicates is between 0 and 1.")
    if asked.time_scale is not None and not 0 < asked.time_scale <= SCALE_LIMIT:
        raise FormError(f"The time scale is above 0 and at most {SCALE_LIMIT:.0f}.")
    if asked.clock_hours is not None:
        check_clock(asked.clock_hours)
        webhooks.clock_hours = asked.clock_hours
    if asked.duplicate_ratio is not None:
        webhooks.duplicate_ratio = asked.duplicate_ratio
    if asked.shuffle is not None:
        webhooks.shuffle = asked.shuffle
    if asked.time_scale is not None:
        webhooks.change_time_scale(asked.time_scale)


def check_clock(hours: float) -> None:
    """Raises FormError for more than a year."""
    if not -CLOCK_LIMIT_HOURS <= hours <= CLOCK_LIMIT_HOURS:
        raise FormError("The clock is at most a year ahead or behind.")
