"""The operators' door: who may see what is of all shops, or of the machines."""

import hmac
import ipaddress
from urllib.parse import urlsplit

from starlette.requests import Request

from app.errors import UnauthorizedError


def admit(request: Request) -> None:
    """Let in whoever brings METRICS_TOKEN as Bearer; where none is set, whoever asks on this
    machine. Raises UnauthorizedError for strangers.
    """
    token = request.state.config.metrics_token
    if token:
        given = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {token}".encode()):
            raise UnauthorizedError("This needs the token of METRICS_TOKEN as Bearer.")
        return
    # behind a proxy on this machine everybody seems to come from the loopback: what was forwarded
    # is a stranger
    is_forwarded = "x-forwarded-for" in request.headers or "forwarded" in request.headers
    client = request.client.host if request.client else ""
    if is_forwarded or not _is_loopback(client):
        raise UnauthorizedError("Without METRICS_TOKEN, this is read on this machine only.")


def admit_change(request: Request) -> None:
    """The same for whoever changes something, and not for a page of another site that makes the
    browser of somebody on this machine post a form. Raises UnauthorizedError.
    """
    admit(request)
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise UnauthorizedError("This is changed from its own page only.")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
