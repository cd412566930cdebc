"""Facts and settings of ways to earn: what their tests share."""

from datetime import datetime
from typing import Any

import msgspec

from app import db
from app.flow.event import Event
from app.points.ledger.audit import verify
from app.points.ledger.sentences import sentence
from app.points.ways import actions
from app.points.ways.rules import Way
from tests.flow.helpers import written
from tests.points.world import ALICE, BOB, fact, now

FRIEND = "7002"


async def way(kind: str, points: int = 100, shop: str = ALICE, **fields: Any) -> Way:
    """A way that is on, since long ago."""
    title = fields.pop("title", f"A {kind}")
    made = await actions.make(shop, kind, {"title": title, "points": points, **fields}, "Alice")
    await since(made, "2020-01-01T00:00:00Z")
    return made


async def since(made: Way, moment: str) -> None:
    """Let its first version hold from that moment on."""
    async with db.connection() as conn:
        await conn.execute(
            "UPDATE way_versions SET created_at = $3 WHERE shop = $1 AND way_id = $2",
            made.shop,
            made.id,
            datetime.fromisoformat(moment),
        )


def created(customer: str = BOB, at: datetime | None = None, shop: str = ALICE) -> Event:
    moment = (at or now()).isoformat()
    return fact("customer.created", {"customer_id": customer, "updated_at": moment}, shop)


def consented(
    customer: str = BOB, at: datetime | None = None, *, is_subscribed: bool = True
) -> Event:
    moment = (at or now()).isoformat()
    data = {"customer_id": customer, "is_subscribed": is_subscribed, "at": moment}
    return fact("customer.consented", data)


def completed(referral: str = "r1", points: int = 200, at: datetime | None = None) -> Event:
    data = {
        "referral_id": referral,
        "advocate_id": BOB,
        "friend_id": FRIEND,
        "order_id": "55",
        "order_name": "#1055",
        "points": points,
        "at": (at or now()).isoformat(),
    }
    return fact("referral.completed", data)


def taken_back(referral: str = "r1", at: datetime | None = None) -> Event:
    data = {
        "referral_id": referral,
        "advocate_id": BOB,
        "reason": "Its order came back.",
        "at": (at or now()).isoformat(),
    }
    return fact("referral.reversed", data)


def deleted(customer: str = BOB) -> Event:
    return fact("customer.deleted", {"customer_id": customer})


def merged(gone: str, kept: str) -> Event:
    return fact("customer.merged", {"customer_id": gone, "kept_id": kept})


async def told(topic: str) -> list[dict[str, Any]]:
    """The data of all facts of that topic in the log, the first one first."""
    return [msgspec.json.decode(one.data) for one in await written(topic)]


async def ledger(customer: str = BOB, shop: str = ALICE) -> list[str]:
    """The sentences of a customer's ledger."""
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT effect, points, why FROM ledger WHERE shop = $1 AND member_id = "
            "(SELECT id FROM members WHERE shop = $1 AND customer_id = $2) ORDER BY sequence",
            shop,
            customer,
        )
    return [sentence(*row) for row in rows]


async def sound() -> None:
    """The ledger, the balances and the grants agree."""
    report = await verify()
    assert report.is_sound, report.problems
