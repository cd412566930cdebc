"""What our services tell each other: one typed shape a topic, shared by who tells and who reads."""

from typing import Literal

import msgspec

from app.facts import Moment


class Audience(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whom a campaign is for: everyone, or who is in one of these tiers or segments (by id) or has
    one of these tags, at the moment of what it rewards.
    """

    kind: Literal["everyone", "tiers", "segments", "tags"] = "everyone"
    names: list[str] = []


class Campaign(msgspec.Struct, frozen=True, omit_defaults=True):
    """A version of a campaign, whole. It rewards what happened from `starts_at` and before
    `ends_at` while it is live, whatever is known of it later.
    """

    campaign_id: str
    version: int  # of this campaign: every edit is the next one
    name: str
    state: Literal["draft", "live", "paused", "ended"]
    starts_at: Moment
    ends_at: Moment | None = None  # None: until it is ended
    trigger: Literal[
        "order", "first_order", "nth_order", "goal_order", "goal_total", "birthday", "account"
    ] = "order"
    effect: Literal["multiply", "add"] = "multiply"
    value: str = "2"  # times the points of what it counts for, or points to add
    scope: Literal["all", "products", "collections"] = "all"  # which lines of an order it counts
    ids: list[str] = []  # of those products or collections, numbers as text
    nth: int = 0  # for nth_order: the customer's second, third ... order that earns
    goal: str = "0"  # for goals: to be spent in one order or in all of the window, shop money
    audience: Audience = Audience()
    cap: int | None = None  # points a customer gets from it at most
    budget: int | None = None  # points it gives at most
    text: str = ""  # for shoppers


class Stacking(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the multipliers of a shop's campaigns and tiers that meet in one order go together."""

    version: int = 0
    policy: Literal["best_of", "add", "multiply"] = "best_of"
    cap: str = ""  # the most that all of them together multiply by; empty for none


class CampaignUpdated(msgspec.Struct):
    """A campaign as it is from now on, and how the shop's campaigns stack; without a campaign only
    the latter has changed.
    """

    campaign: Campaign | None = None
    stacking: Stacking | None = None
    at: Moment | None = None


class TierChanged(msgspec.Struct):
    """A member is in another tier since `at`; ids and names are empty for none."""

    customer_id: str
    before_id: str
    before: str
    after_id: str
    after: str
    cause: str  # a plain sentence
    at: Moment


class SegmentUpdated(msgspec.Struct):
    """A customer is in another segment since `at`; empty for none."""

    customer_id: str
    before: str
    after: str
    at: Moment


class CustomerTagged(msgspec.Struct):
    """Tags a customer was given and lost at `at`."""

    customer_id: str
    added: list[str] = []
    removed: list[str] = []
    at: Moment | None = None


class CustomerConsented(msgspec.Struct):
    """What a customer says to e-mail marketing since `at`."""

    customer_id: str
    is_subscribed: bool
    at: Moment | None = None


class ReferralAsked(msgspec.Struct):
    """A member asked for their link while it could not be made: it is made when its turn comes."""

    customer_id: str


class ReferralCreated(msgspec.Struct):
    """A friend took up the offer of an advocate's link."""

    referral_id: str
    advocate_id: str
    friend_id: str = ""  # as far as they are a customer
    at: Moment | None = None


class ReferralCompleted(msgspec.Struct):
    """A referral that is to be rewarded: points for the advocate, or a reward by its id."""

    referral_id: str
    advocate_id: str
    friend_id: str
    order_id: str
    points: int = 0
    reward_id: str = ""
    at: Moment | None = None
    order_name: str = ""  # what people call that order


class ReferralReversed(msgspec.Struct):
    """What was given for a referral is taken back, such as when its order came back."""

    referral_id: str
    advocate_id: str
    reason: str = ""  # a plain sentence
    at: Moment | None = None


class MemberWelcomed(msgspec.Struct):
    """A new member has all that a welcome gives; whoever sends messages may say so."""

    customer_id: str
    points: int
    at: Moment
