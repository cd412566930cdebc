"""The tables of the points service, a file a part of it."""

from app.points.models.points import (
    MADE_BY_MIGRATIONS,
    BulkAdjustment,
    Correction,
    Grant,
    LedgerRow,
    Lot,
    Member,
    PeriodTotal,
    ProgramVersion,
    Redemption,
    Reward,
    ShopTotal,
    TopMembers,
)
from app.points.models.tiers import (
    Qualifying,
    TierChange,
    TierShop,
    TierStanding,
    TierVersion,
)

__all__ = [
    "MADE_BY_MIGRATIONS",
    "BulkAdjustment",
    "Correction",
    "Grant",
    "LedgerRow",
    "Lot",
    "Member",
    "PeriodTotal",
    "ProgramVersion",
    "Qualifying",
    "Redemption",
    "Reward",
    "ShopTotal",
    "TierChange",
    "TierShop",
    "TierStanding",
    "TierVersion",
    "TopMembers",
]
