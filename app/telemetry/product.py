"""Product events: every one there is, by its name and what it tells; none tells of a person, and a
shop stands under a name made with a key.
"""

import hmac
from typing import ClassVar, Literal

import msgspec

from app.config import Config
from app.telemetry import choices, reports

PSEUDONYM_LENGTH = 32  # hexadecimal digits


class ProductEvent(msgspec.Struct, frozen=True):
    """What happened, in numbers and words of a short list; `event` is its name at PostHog."""

    event: ClassVar[str]


class AppInstalled(ProductEvent, frozen=True):
    """A merchant opened the app for the first time, or again after having removed it."""

    event = "app_installed"


class ProgramPublished(ProductEvent, frozen=True):
    """A merchant started the programme or let it go on, or paused it."""

    event = "program_published"
    state: Literal["live", "paused"]


class RewardSaved(ProductEvent, frozen=True):
    """A merchant made a reward, or changed one."""

    event = "reward_saved"
    cost: int  # points
    is_new: bool


class CampaignLaunched(ProductEvent, frozen=True):
    """A merchant launched a campaign, or let one go on."""

    event = "campaign_launched"
    trigger: Literal[
        "order", "first_order", "nth_order", "goal_order", "goal_total", "birthday", "account"
    ]
    effect: Literal["multiply", "add"]


class CheckoutOpened(ProductEvent, frozen=True):
    """A checkout or account page with our extension asked what its shopper has, who agreed that
    this is told.
    """

    event = "checkout_opened"
    is_signed_in: bool


class RewardRedeemed(ProductEvent, frozen=True):
    """A shopper turned points into a code; `state` is how far that came at once."""

    event = "reward_redeemed"
    points: int
    state: Literal["held", "captured"]


class ReferralClicked(ProductEvent, frozen=True):
    """A member shared their link, by a way of a short list, or a friend followed one; told by a
    browser whose shopper agreed to it.
    """

    event = "referral_clicked"
    channel: Literal["copy", "mail", "whatsapp", "x", "facebook", "native", "visit"]


EVENTS: tuple[type[ProductEvent], ...] = (
    AppInstalled,
    ProgramPublished,
    RewardSaved,
    CampaignLaunched,
    CheckoutOpened,
    RewardRedeemed,
    ReferralClicked,
)


def track(told: ProductEvent, shop: str, config: Config) -> None:
    """Tell PostHog, when its key is set and neither whoever runs the app nor the merchant has opted
    out; never waits, never raises, and what cannot be sent is counted.
    """
    if config.posthog_api_key and not {shop, "all"} & config.posthog_opt_out:
        properties = msgspec.structs.asdict(told)
        who = pseudonym(shop, config)
        choices.unless_off(shop, lambda: reports.capture(told.event, who, properties))


def pseudonym(shop: str, config: Config) -> str:
    """What a shop is called at PostHog: the same for one key, and of no use under another."""
    digest = hmac.digest(config.posthog_api_key.encode(), shop.encode(), "sha256")
    return digest.hex()[:PSEUDONYM_LENGTH]
