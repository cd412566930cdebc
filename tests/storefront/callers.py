"""Shoppers as they come: through the app proxy, or with an extension's token; and what they ask
for.
"""

import hashlib
import hmac
import time
import uuid
from typing import Any
from urllib.parse import urlencode

import jwt

from tests.conftest import SECRET
from tests.points.world import ALICE, BOB, handle, line, paid

# what `me` always has, in its order
FIELDS = [
    "customer_id",
    "points",
    "tier",
    "tiers",
    "rewards",
    "ways_to_earn",
    "birthday",
    "referral",
    "notices",
    "redemptions",
    "codes",
    "codes_next",
    "coming",
    "ending",
    "time_zone",
    "campaigns",
    "appearance",
    "texts",
]

CHARLIE = "7003"


def proxied(path: str, customer: str | None = BOB, shop: str = ALICE, **more: Any) -> str:
    """A path as the app proxy signs it: HMAC over the sorted query."""
    fields = {
        "shop": shop,
        "logged_in_customer_id": customer or "",
        "path_prefix": "/apps/holdfast",
        "timestamp": str(int(time.time())),
        **more,
    }
    message = "".join(sorted(f"{name}={value}" for name, value in fields.items()))
    signature = hmac.new(SECRET.encode(), message.encode(), hashlib.sha256).hexdigest()
    return f"{path}?{urlencode({**fields, 'signature': signature})}"


def bearer(customer: str | None = BOB, **more: Any) -> dict[str, str]:
    """The header of an extension: its session token as Bearer."""
    now = int(time.time())
    claims = {
        "dest": ALICE,
        "aud": "dev-key",
        "exp": now + 300,
        "nbf": now,
        "iat": now,
        "jti": str(uuid.uuid4()),
    }
    if customer:
        claims["sub"] = f"gid://shopify/Customer/{customer}"
    return {"Authorization": f"Bearer {jwt.encode({**claims, **more}, SECRET, 'HS256')}"}


def ask(reward_id: str, key: str = "bob-wants-it") -> dict[str, str]:
    return {"reward_id": reward_id, "idempotency_key": key}


async def earn(amount: str, customer: str = BOB, shop: str = ALICE) -> None:
    await handle(paid(uuid.uuid4().hex[:8], line(amount), customer=customer, shop=shop))
