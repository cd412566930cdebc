"""What pages, widget and checkout see of points: plain frozen values, ids as strings, times
aware and in UTC.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from app.paging import Links


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
    edited_by: str
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class RewardView:
    id: str
    title: str
    cost: int
    amount_off: Decimal
    is_active: bool
    version: int = 1  # grows with every change


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
class LotView:
    id: str
    source: str
    granted: int
    remaining: int
    is_pending: bool
    available_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class LedgerView:
    """One movement; `change` is what it did to the available points, `sentence` says why it
    happened.
    """

    sequence: int
    source: str
    effect: str
    from_bucket: str
    to_bucket: str
    points: int
    change: int
    sentence: str
    effective_at: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class MemberDetail:
    member: MemberRow
    balance: Balance
    lots: list[LotView]  # those with points left, the one that expires first at the top
    lots_links: Links
    ledger: list[LedgerView]  # newest first
    ledger_links: Links
    redemptions: list[RedemptionView]  # newest first
    is_frozen: bool = False  # the points do not add up, and do not move until they are repaired


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
