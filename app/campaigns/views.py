"""Plain values: what the reads of campaigns return and pages and panels draw."""

from dataclasses import dataclass, field
from datetime import datetime

from app.own_facts import Campaign
from app.paging import Links


@dataclass(frozen=True, slots=True)
class Results:
    """What a campaign gave so far; `orders` are birthdays or accounts where it is for those."""

    given: int = 0
    taken_back: int = 0
    orders: int = 0
    customers: int = 0
    as_of: datetime | None = None

    @property
    def net(self) -> int:
        return self.given - self.taken_back


@dataclass(frozen=True, slots=True)
class CampaignView:
    """A campaign with who edited it last and what it gave; `labels` are names by ids, as they were
    when it was saved.
    """

    campaign: Campaign
    labels: dict[str, str]
    edited_by: str
    created_at: datetime
    updated_at: datetime
    results: Results = field(default_factory=Results)


@dataclass(frozen=True, slots=True)
class VersionView:
    campaign: Campaign
    labels: dict[str, str]
    edited_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class CampaignPage:
    """A page of the list, and how many campaigns of the shop there are in all."""

    rows: list[CampaignView]
    total: int
    links: Links = field(default_factory=Links)


@dataclass(frozen=True, slots=True)
class Known:
    """What tiers and segments a shop has, by id, which of the products or collections asked about
    are there, and which ways to earn are on; None where nobody could say.
    """

    tiers: dict[str, str] | None = None
    segments: dict[str, str] | None = None
    products: dict[str, str] | None = None
    ways: list[str] | None = None

    @property
    def names(self) -> dict[str, str]:
        """All of them."""
        return {**(self.tiers or {}), **(self.segments or {}), **(self.products or {})}
