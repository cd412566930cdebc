"""What ways to earn know of people and shops that are to be forgotten: birthdays, and keys."""

from collections.abc import Iterable

import msgspec

from app.db import Connection
from app.flow.event import Event
from app.points.ledger.accounts import Key

FORGET = """
DELETE FROM birthdays USING unnest($1::text[], $2::text[]) AS gone (shop, customer_id)
 WHERE birthdays.shop = gone.shop AND birthdays.customer_id = gone.customer_id
"""
FORGET_SHOP = "DELETE FROM birthdays WHERE shop = $1"
FORGET_KEY = "DELETE FROM api_keys WHERE shop = $1"


class Payload(msgspec.Struct):
    """Whom a request about personal data names; only this is signed."""

    shop_domain: str = ""
    customer: dict[str, int | str | None] | None = None


class Request(msgspec.Struct):
    """A request about personal data."""

    topic: str
    payload: Payload


async def forget(conn: Connection, deleted: Iterable[Key], requests: Iterable[Event]) -> None:
    """Forget the birthdays of deleted and redacted customers, and of a redacted shop everything
    that is not its ledger. Raises msgspec.ValidationError.
    """
    gone = set(deleted)
    for event in requests:
        asked = msgspec.json.decode(event.data, type=Request)
        if asked.payload.shop_domain != event.shop:
            continue  # the header that named the shop is nobody's word
        if asked.topic == "shop/redact":
            await conn.execute(FORGET_SHOP, event.shop)
            await conn.execute(FORGET_KEY, event.shop)
        elif asked.topic == "customers/redact" and asked.payload.customer:
            gone.add((event.shop, str(asked.payload.customer.get("id") or "")))
    if gone:
        await conn.execute(FORGET, *map(list, zip(*sorted(gone), strict=True)))
