"""What the tests of lanes share: numbered webhooks of a shop, taken in and drained."""

from app.flow.lanes import lane
from app.flow.lanes.lane import LaneItem

ALICE, BOB, CHARLIE = "alice.myshopify.com", "bob.myshopify.com", "charlie.myshopify.com"
NOW = 1_800_000_000.0


def item(number, shop=ALICE, body=b"{}"):
    return LaneItem(
        received_ms=int(NOW * 1000) + number,
        shop=shop,
        topic="orders/paid",
        webhook_id=f"w{number}",
        api_version="2026-07",
        triggered_at="",
        event_id="",
        request_id="",
        body=body,
    )


def items(count, shop=ALICE, start=0):
    return [item(number, shop) for number in range(start, start + count)]


async def drain(stores, limit=500, borrow_max=0):
    """Claim and acknowledge once; the webhook ids by shop, in order."""
    claims = await lane.claim(stores.queue, limit, stores.config, borrow_max=borrow_max)
    assert await lane.acknowledge(stores.queue, claims, stores.config) == len(claims)
    return {one.shop: [lane.decode_item(raw).webhook_id for raw in one.items] for one in claims}


async def admit(stores, found, **kwargs):
    return await lane.admit(stores.queue, found, stores.config, **kwargs)
