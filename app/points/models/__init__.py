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
from app.points.models.ways import ApiKey, Birthday, SagaStep, Way, WayCall, WayVersion

__all__ = [
    "MADE_BY_MIGRATIONS",
    "ApiKey",
    "Birthday",
    "BulkAdjustment",
    "Correction",
    "Grant",
    "LedgerRow",
    "Lot",
    "Member",
    "PeriodTotal",
    "ProgramVersion",
    "Redemption",
    "Reward",
    "SagaStep",
    "ShopTotal",
    "TopMembers",
    "Way",
    "WayCall",
    "WayVersion",
]
