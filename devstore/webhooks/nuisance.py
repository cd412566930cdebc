"""What is a nuisance about webhooks from now on: lost, twice, held, shuffled, by a wrong clock."""

import msgspec

from devstore.errors import FormError
from devstore.webhooks.sending import Webhooks

SCALE_LIMIT = 1000.0
TOPICS_LIMIT = 50
CLOCK_LIMIT_HOURS = 24 * 366.0


class Nuisance(msgspec.Struct, forbid_unknown_fields=True):
    """What is None stays as it is."""

    duplicate_ratio: float | None = None
    shuffle: bool | None = None
    time_scale: float | None = None  # of the waits before retries
    lose: list[str] | None = None  # topics that never arrive; "*" is every topic
    double: list[str] | None = None  # topics that come twice
    hold: list[str] | None = None  # topics that wait until they are released
    share_seconds: bool | None = None  # changes within a second have the same `updated_at`
    clock_hours: float | None = None  # how far `X-Shopify-Triggered-At` is ahead of the time


def change(webhooks: Webhooks, asked: Nuisance) -> None:
    """Raises FormError, before anything is changed, for what is out of bounds."""
    _check(asked)
    for name, wanted in (
        ("duplicate_ratio", asked.duplicate_ratio),
        ("shuffle", asked.shuffle),
        ("clock_hours", asked.clock_hours),
        ("lost", None if asked.lose is None else set(asked.lose)),
        ("doubled", None if asked.double is None else set(asked.double)),
        ("held", None if asked.hold is None else set(asked.hold)),
    ):
        if wanted is not None:
            setattr(webhooks, name, wanted)
    if asked.share_seconds is not None:
        webhooks.state.shares_seconds = asked.share_seconds
    if asked.time_scale is not None:
        webhooks.change_time_scale(asked.time_scale)


def _check(asked: Nuisance) -> None:
    if asked.duplicate_ratio is not None and not 0 <= asked.duplicate_ratio <= 1:
        raise FormError("The ratio of duplicates is between 0 and 1.")
    if asked.time_scale is not None and not 0 < asked.time_scale <= SCALE_LIMIT:
        raise FormError(f"The time scale is above 0 and at most {SCALE_LIMIT:.0f}.")
    if asked.clock_hours is not None:
        check_clock(asked.clock_hours)
    if any(len(topics or ()) > TOPICS_LIMIT for topics in (asked.lose, asked.double, asked.hold)):
        raise FormError(f"At most {TOPICS_LIMIT} topics are lost, doubled or held back.")


def check_clock(hours: float) -> None:
    """Raises FormError for more than a year."""
    if not -CLOCK_LIMIT_HOURS <= hours <= CLOCK_LIMIT_HOURS:
        raise FormError("The clock is at most a year ahead or behind.")
