"""Plain values that reads return and templates draw."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

from app.paging import Links
from app.referrals.claims.rules import Reason

# how a referral stands, for people: what the rules or staff say goes before how far it came
Stage = Literal[
    "held", "blocked", "claimed", "ordered", "completed", "reversed", "lapsed", "merged"
]


class Settings(msgspec.Struct, frozen=True):
    """What a shop offers; money is shop money."""

    version: int = 0
    is_on: bool = False
    friend_kind: Literal["percent", "amount"] = "percent"
    friend_value: Decimal = Decimal(10)
    friend_minimum: Decimal = Decimal(0)
    code_days: int = 30
    order_minimum: Decimal = Decimal(0)
    order_number: int = 1  # which order of a friend is rewarded: the first, or the second
    advocate_kind: Literal["points", "reward"] = "points"
    advocate_points: int = 100
    advocate_reward_id: str = ""
    advocate_text: str = ""
    hold_days: int = 14
    window_days: int = 30
    day_max: int = 3
    month_max: int = 10
    all_max: int = 100
    edited_by: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LinkView:
    """A member's link; `code` is empty while it is queued."""

    id: int
    code: str
    status: str
    waiting: int = 0  # friends on their way
    completed: int = 0


@dataclass(frozen=True, slots=True)
class ReferralRow:
    """A line of the list; names stand beside it, as core knows them."""

    id: int
    advocate_id: str
    friend_id: str
    friend_email: str
    stage: Stage
    score: int
    first_reason: str
    order_id: str
    order_name: str
    claimed_at: datetime
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class ReferralList:
    rows: list[ReferralRow]
    names: dict[str, str] = field(default_factory=dict)  # by customer id
    links: Links = field(default_factory=Links)


@dataclass(frozen=True, slots=True)
class EventView:
    """A line of a referral's timeline; `by` is staff, empty for Holdfast."""

    kind: str
    by: str
    words: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Side:
    """What is known of one of the two, for a look side by side."""

    customer_id: str
    name: str
    email: str
    known_at: datetime | None  # since when the shop knows them
    first_order_at: datetime | None
    marks: list[str]  # what both have in common is said by the same words


@dataclass(frozen=True, slots=True)
class Detail:
    """One referral whole."""

    row: ReferralRow
    verdict: str
    decided_by: str
    reasons: list[Reason]
    advocate: Side
    friend: Side
    events: list[EventView]
    code: str
    code_state: str
    code_reason: str
    order_net: Decimal | None
    promised: str  # to the advocate, in words
    is_link_closed: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """Figures of the last days; `held` and `links` are of now."""

    links: int
    queued: int
    held: int
    visits: int
    claims: int
    orders: int
    rewarded: int
