"""Campaigns as their service tells them, and what came of an order: for the tests of bonuses."""

import itertools
from datetime import datetime
from typing import Any

import msgspec

from app import db
from app.flow import event as envelope
from app.flow.event import Event
from app.own_facts import (
    Audience,
    Campaign,
    CampaignUpdated,
    CustomerTagged,
    SegmentUpdated,
    Stacking,
)
from tests.points.world import ALICE, BOB, days_ago, fact, now

numbers = itertools.count(1)


def campaign(name: str = "Double weekend", **more: Any) -> Campaign:
    """One that runs for everyone since a week, and gives twice the points."""
    fields: dict[str, Any] = {
        "campaign_id": f"c{next(numbers)}",
        "version": 1,
        "name": name,
        "state": "live",
        "starts_at": days_ago(7),
        **more,
    }
    if isinstance(fields.get("audience"), tuple):
        kind, *names = fields["audience"]
        fields["audience"] = Audience(kind, names)
    return Campaign(**fields)


def told(*campaigns: Campaign, at: datetime | None = None, shop: str = ALICE) -> list[Event]:
    """As saved a week ago, unless `at` says when."""
    return [
        fact("campaign.updated", built(CampaignUpdated(one, at=at or days_ago(7))), shop)
        for one in campaigns
    ]


def stacks(
    policy: str,
    cap: str = "",
    version: int = 1,
    at: datetime | None = None,
    shop: str = ALICE,
) -> Event:
    stacking = Stacking(version, policy, cap)
    return fact("campaign.updated", built(CampaignUpdated(None, stacking, at or days_ago(7))), shop)


def tagged(at: datetime, added: str = "", removed: str = "", customer: str = BOB) -> Event:
    change = CustomerTagged(customer, [added] if added else [], [removed] if removed else [], at)
    return fact("customer.tagged", built(change))


def segment(at: datetime, before: str, after: str, customer: str = BOB) -> Event:
    return fact("rfm.segment.updated", built(SegmentUpdated(customer, before, after, at)))


def built(told_: Any) -> Any:
    return msgspec.to_builtins(told_)


async def facts(topic: str, shop: str = ALICE) -> list[dict[str, Any]]:
    """The data of what points told of a topic, the oldest first."""
    async with db.connection() as conn:
        rows = await conn.fetch("SELECT body FROM facts ORDER BY tx, id")
    found = [one for row in rows for one in envelope.unpack(row["body"])]
    return [
        msgspec.json.decode(one.data) for one in found if one.topic == topic and one.shop == shop
    ]


__all__ = [
    "ALICE",
    "BOB",
    "campaign",
    "days_ago",
    "facts",
    "now",
    "segment",
    "stacks",
    "tagged",
    "told",
]
