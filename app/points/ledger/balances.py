"""Balances on their way into the cache: written after a commit, the newer sequence wins."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from app.db import Stores
from app.points.ledger.accounts import Account
from app.points.views import Balance
from app.resilience import cache

decoder = msgspec.json.Decoder(Balance)
encode = msgspec.json.Encoder().encode


def cache_key(shop: str, customer_id: str) -> str:
    return f"cache:points:balance:{{{shop}}}:{customer_id}"


def of_account(account: Account, as_of: datetime) -> Balance:
    """The balance of a locked member."""
    return Balance(
        account.customer_id,
        account.available,
        account.pending,
        account.held,
        account.debt,
        account.sequence,
        as_of,
    )


async def publish(stores: Stores, accounts: Iterable[Account], as_of: datetime) -> None:
    """Put these members' balances into the cache; a cache that is away is logged there, never
    raised.
    """
    await cache.put_if_newer(
        stores.cache,
        [
            (cache_key(one.shop, one.customer_id), one.sequence, encode(of_account(one, as_of)))
            for one in accounts
        ],
        as_of=as_of,
    )
