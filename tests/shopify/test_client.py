"""What a call to Shopify comes to when nobody is there who speaks its language."""

import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from app.config import Config
from app.shopify.client import outgoing

TRIES_MAX = 5_000  # one of sixteen is reset at the moment that matters


@pytest.fixture
def resetting() -> Iterator[str]:
    """The address of a host that resets each connection as soon as it stands."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def reset_all() -> None:
            while True:
                taken, _ = server.accept()
                taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                taken.close()
                if ended.is_set():
                    return

        ended = threading.Event()
        thread = threading.Thread(target=reset_all)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        ended.set()
        socket.create_connection(server.getsockname()).close()
        thread.join(10)


async def test_a_host_that_resets_a_connection_at_once_is_away_and_no_fault_of_ours(
    config: Config, resetting: str
) -> None:
    said: Counter[type[BaseException]] = Counter()
    async with outgoing(config) as client:
        while AttributeError not in said and said.total() < TRIES_MAX:
            with pytest.raises(httpx.HTTPError) as raised:
                await client.post(resetting, content=b"{}")
            said[type(raised.value.__cause__)] += 1
    assert AttributeError in said, "what uvloop and anyio say between them"
