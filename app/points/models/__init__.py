"""The tables of the points service, a file a part of it."""

from app.points.models.earning import (
    CampaignCopy,
    CampaignTotal,
    CampaignUse,
    Collection,
    CollectionProduct,
    Membership,
    WhatIf,
)
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
    "CampaignCopy",
    "CampaignTotal",
    "CampaignUse",
    "Collection",
    "CollectionProduct",
    "Correction",
    "Grant",
    "LedgerRow",
    "Lot",
    "Member",
    "Membership",
    "PeriodTotal",
    "ProgramVersion",
    "Redemption",
    "Reward",
    "ShopTotal",
    "TopMembers",
    "WhatIf",
]
