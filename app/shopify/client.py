"""The HTTP client for calls to Shopify."""

import httpx

from app.config import Config

DEADLINE_SECONDS = 5.0  # whatever leaves the process: slow counts as down


def outgoing(config: Config, connections_max: int = 16) -> httpx.AsyncClient:
    """A client that waits five seconds at most and follows no redirect, which could lead a
    token elsewhere.
    """
    return httpx.AsyncClient(
        timeout=httpx.Timeout(DEADLINE_SECONDS, connect=2.0, pool=1.0),
        limits=httpx.Limits(max_connections=connections_max),
        follow_redirects=False,
        # a developer's proxy would be asked for the stand-in store on loopback
        trust_env=config.is_production,
    )
