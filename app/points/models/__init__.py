"""The tables of the points service, a file a part of it."""

from app.points.models.earning import (
    CampaignCopy,
    CampaignPurse,
    CampaignUse,
    Collection,
    CollectionProduct,
    Membership,
    WhatIf,
)
from app.points.models.figures import (
    Figures,
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
from app.points.models.tiers import (
    Qualifying,
    TierChange,
    TierShop,
    TierStanding,
    TierVersion,
)
from app.points.models.ways import (
    ApiKey,
    Birthday,
    SagaStep,
    Way,
    WayCall,
    WayVersion,
)

__all__ = [
    "MADE_BY_MIGRATIONS",
    "ApiKey",
    "Birthday",
    "BulkAdjustment",
    "CampaignCopy",
    "CampaignPurse",
    "CampaignUse",
    "Collection",
    "CollectionProduct",
    "Correction",
    "Figures",
    "Grant",
    "LedgerRow",
    "Lot",
    "Member",
    "Membership",
    "PeriodTotal",
    "ProgramVersion",
    "Qualifying",
    "Redemption",
    "Reward",
    "SagaStep",
    "ShopTotal",
    "TierChange",
    "TierShop",
    "TierStanding",
    "TierVersion",
    "TopMembers",
    "Way",
    "WayCall",
    "WayVersion",
    "WhatIf",
]
