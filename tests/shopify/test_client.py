"""What a call to Shopify comes to when nobody is there who speaks its language."""

from collections import Counter

import httpx
import pytest

from app.config import Config
from app.shopify.client import outgoing
from tests.resetting import resetting

TRIES_MAX = 5_000  # one of sixteen is reset at the moment that matters


async def test_a_host_that_resets_a_connection_at_once_is_away_and_no_fault_of_ours(
    config: Config,
) -> None:
    said: Counter[type[BaseException]] = Counter()
    with resetting() as port:
        async with outgoing(config) as client:
            while AttributeError not in said and said.total() < TRIES_MAX:
                with pytest.raises(httpx.HTTPError) as raised:
                    await client.post(f"http://127.0.0.1:{port}/", content=b"{}")
                said[type(raised.value.__cause__)] += 1
    assert AttributeError in said, "what uvloop and anyio say between them"
