"""What pages, widget and checkout see of points: plain frozen values, ids as strings, times
aware and in UTC.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

import msgspec

from app.paging import Links
from app.points.rewards.rules import Details

NO_DETAILS = Details()


@dataclass(frozen=True, slots=True)
class Balance:
    """A member's points now; `sequence` grows with every movement, so the higher one is the
    newer.
    """

    customer_id: str
    available: int
    pending: int
    held: int
    debt: int  # what is owed, as a positive number
    sequence: int
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Program:
    """The rules in force; version 0 is the default of a shop that never had any."""

    shop: str
    version: int
    rate: Decimal  # points a whole unit of shop currency
    rounding: str  # down | nearest | up
    pending_days: int
    expiry_days: int | None  # None: points never expire
    clawback: str  # pending_only | within_balance | debt
    timezone: str
    currency: str
    state: str  # draft | live | paused
    edited_by: str
    created_at: datetime | None
    returns: str = "goods"  # goods | money: what a return counts by
    order_terms: str = ""  # JSON: what of orders earns, empty for all


@dataclass(frozen=True, slots=True)
class CorrectionView:
    """An order whose points were corrected: from what to what, when and why."""

    order_id: str
    order_name: str
    customer_id: str
    before: int
    after: int
    reason: str
    made_at: datetime


@dataclass(frozen=True, slots=True)
class CorrectionList:
    """Corrections, the newest first."""

    corrections: list[CorrectionView]
    links: Links


@dataclass(frozen=True, slots=True)
class RewardView:
    id: str
    title: str
    cost: int
    amount_off: Decimal
    is_active: bool
    version: int = 1  # grows with every change
    kind: str = "amount_off"
    details: Details = NO_DETAILS


@dataclass(frozen=True, slots=True)
class RedemptionView:
    """A redemption as its shopper may see it; `code` is empty until the discount exists."""

    id: str
    state: str  # held | captured | used | released
    code: str
    title: str
    points: int
    message: str  # a plain sentence
    created_at: datetime
    kind: str = "amount_off"
    ends_at: datetime | None = None  # before then it can be used
    details: Details = NO_DETAILS
    amount_off: Decimal = Decimal(0)
    returned_points: int = 0  # that came back with its order


@dataclass(frozen=True, slots=True)
class StuckReward:
    """A redemption that has waited for its code longer than it should."""

    id: str
    customer_id: str
    title: str
    points: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A member's figures; who they are, core knows."""

    customer_id: str
    available: int
    pending: int
    held: int
    debt: int
    earned: int  # all points ever issued
    sequence: int  # how many rows of the ledger are theirs
    joined_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class MemberList:
    """A page of members; `as_of` says how old their order is where it is not that of now."""

    members: list[MemberRow]
    links: Links
    as_of: datetime | None = None
    is_ready: bool = True


@dataclass(frozen=True, slots=True)
class Expiry:
    """Points left that expire at one moment, or never."""

    points: int
    pending: int  # of them, still on hold-back
    pending_until: datetime | None  # when the first of those can be spent
    expires_at: datetime | None  # None: they never do


@dataclass(frozen=True, slots=True)
class LedgerView:
    """One movement; `change` is what it did to the available points, `sentence` says why it
    happened, `by` is the member of staff who made it.
    """

    sequence: int
    source: str
    effect: str
    from_bucket: str
    to_bucket: str
    points: int
    change: int
    sentence: str
    by: str
    effective_at: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class HistoryEvent:
    """What happened once in the shop, with all movements it made, the first one first."""

    kind: str  # a key of history.KINDS
    order_id: str  # the order it is about, empty for none
    order_name: str
    change: int  # of the available points
    effective_at: datetime
    rows: list[LedgerView]


@dataclass(frozen=True, slots=True)
class MemberDetail:
    member: MemberRow
    balance: Balance
    expiries: list[Expiry]  # of the points left, what expires first at the top
    expiries_links: Links
    events: list[HistoryEvent]  # the latest first
    events_links: Links
    redemptions: list[RedemptionView]  # newest first
    is_frozen: bool = False  # the points do not add up, and do not move until they are repaired

    @property
    def ledger(self) -> list[LedgerView]:
        """The movements of the events shown, the latest first."""
        return [row for event in self.events for row in reversed(event.rows)]


@dataclass(frozen=True, slots=True)
class BulkView:
    """A change of points for many customers."""

    id: str
    points: int
    reason: str
    asked_by: str
    state: str  # choosing | changing | done | too_many
    total: int
    place: int  # of them, who have had their turn
    done: int  # and got it; the others could not
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Day:
    day: date  # in the merchant's time zone
    earned: int
    spent: int


@dataclass(frozen=True, slots=True)
class Activity:
    customer_id: str
    effect: str
    to_bucket: str
    points: int
    change: int  # of the available points
    sentence: str
    effective_at: datetime


@dataclass(frozen=True, slots=True)
class Overview:
    members: int
    outstanding: int  # available + pending + held
    days: list[Day]  # oldest first, one for every day, also those without movement
    newest: list[Activity]  # newest first


@dataclass(frozen=True, slots=True)
class Dated:
    """Points and the day something becomes of them; None: later than those listed before."""

    on: date | None  # in the shop's time zone
    points: int


class Had(msgspec.Struct, frozen=True):
    """What a shopper had of ways to earn: how often by way and period; and their birthday."""

    times: dict[str, dict[str, int]] = {}
    birthday: str = ""  # MM-DD
    edited_at: datetime | None = None
    birthday_given_on: date | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """What a shopper has besides the balance."""

    redemptions: list[RedemptionView]  # the newest ones, whatever became of them
    codes: list[RedemptionView]  # not used, or being made; the newest first
    codes_next: str  # the place of the next page of them
    coming: list[Dated]  # points on hold-back, and from when they can be spent
    ending: list[Dated]  # points that expire, and the last day to spend them
    had: Had  # what was earned by which way
    rewards_had: dict[str, int] = field(default_factory=dict)  # how often each, by its id
    belongs: dict[str, list[str]] = field(default_factory=dict)  # ids of their tiers and segments


@dataclass(frozen=True, slots=True)
class Movement:
    """One line of a shopper's history."""

    kind: str  # earned | given | released | redeemed | returned | expired | repaid | owed | ...
    points: int
    change: int  # of the available points
    order: str  # its name
    reward: str
    why: str  # a plain sentence, in English
    on: date  # in the shop's time zone
    until: date | None  # from when points on hold-back can be spent
    at: datetime
    way: str = ""  # that gave or lost them: account | newsletter | birthday | follow | action | ...
    title: str = ""  # of that way, as the merchant called it
    bonuses: list[tuple[str, int]] = field(default_factory=list)  # campaigns and tier, with points
