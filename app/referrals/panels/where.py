"""Where a shopper's request came from, as the app proxy and the browser tell it."""

import hmac

from starlette.requests import Request

from app.referrals.claims.marks import Where

ADDRESS_LENGTH_MAX = 64


def where_from(request: Request, device: str = "") -> Where:
    """Of the shopper, who is behind the proxy, and not of the proxy."""
    return Where(_ip(request), request.headers.get("user-agent", ""), device.strip())


def bucket(request: Request, what: str = "") -> str:
    """What stands for a shopper's address in a limit: not to be read back from it."""
    secret = request.state.stores.config.api_secrets[0]
    digest = hmac.digest(secret.encode(), f"{_ip(request)} {what}".encode(), "sha256")
    return digest.hex()[:32]


def _ip(request: Request) -> str:
    forwarded = request.headers.get("x-forwarded-for", "").partition(",")[0].strip()
    found = forwarded or (request.client.host if request.client else "")
    return found[:ADDRESS_LENGTH_MAX]
