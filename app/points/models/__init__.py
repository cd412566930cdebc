"""The tables of the points service, a file a part of it."""

from app.points.models.figures import Figures
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

__all__ = [
    "MADE_BY_MIGRATIONS",
    "BulkAdjustment",
    "Correction",
    "Figures",
    "Grant",
    "LedgerRow",
    "Lot",
    "Member",
    "PeriodTotal",
    "ProgramVersion",
    "Redemption",
    "Reward",
    "ShopTotal",
    "TopMembers",
]
