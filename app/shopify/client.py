"""The HTTP client for calls to Shopify."""

import functools
import ssl
from typing import Any

import httpx

from app.config import Config

DEADLINE_SECONDS = 5.0  # whatever leaves the process: slow counts as down


def outgoing(config: Config, connections_max: int = 16) -> httpx.AsyncClient:
    """A client that waits five seconds at most and follows no redirect, which could lead a
    token elsewhere.
    """
    return Client(
        verify=_authorities(config.is_production),
        timeout=httpx.Timeout(DEADLINE_SECONDS, connect=2.0, pool=1.0),
        limits=httpx.Limits(max_connections=connections_max),
        follow_redirects=False,
        # a developer's proxy would be asked for the stand-in store on loopback
        trust_env=config.is_production,
    )


class Client(httpx.AsyncClient):
    """To be reset as soon as one is connected is an error like any other, with uvloop, too: that
    has taken the socket away whose name anyio asks for, and nothing was sent yet.
    """

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        try:
            return await super().send(request, **options)
        except AttributeError as error:
            if "getpeername" not in str(error):
                raise
            raise httpx.ConnectError("The connection was reset.", request=request) from error


@functools.cache
def _authorities(trust_env: bool) -> ssl.SSLContext:
    """Whose certificates are believed, read once: there are so many that it takes 25 ms."""
    return httpx.create_ssl_context(trust_env=trust_env)
