"""Webhooks Shopify would not send, though well signed: only the body is signed, no header is."""

import re
import uuid

import msgspec

from devstore.errors import FormError
from devstore.shop import things
from devstore.webhooks.nuisance import check_clock
from devstore.webhooks.sending import Webhooks

SIZE_LIMIT_BYTES = 16_000_000
HEADER = re.compile(r"[!-~]{1,255}")


class Forgery(msgspec.Struct, kw_only=True):
    """What is told about a body; None leaves it as it was captured."""

    topic: str | None = None
    shop: str | None = None
    webhook_id: str | None = None
    clock_hours: float | None = None  # `X-Shopify-Triggered-At`, so far ahead of the time
    size_bytes: int | None = None  # the body is padded to that size


def send(webhooks: Webhooks, captured: things.Delivery, asked: Forgery) -> things.Delivery:
    """Send the captured body once more, as another delivery, with the headers asked for.

    Raises FormError for a header that cannot be sent, a size or a clock out of bounds.
    """
    check_size(asked.size_bytes or 0)
    check_clock(asked.clock_hours or 0.0)
    made = msgspec.structs.replace(
        captured,
        id=str(uuid.uuid4()),
        topic=_header(asked.topic, captured.topic),
        shop=_header(asked.shop, captured.shop),
        webhook_id=_header(asked.webhook_id, captured.webhook_id or captured.id),
        triggered_at=captured.triggered_at
        if asked.clock_hours is None
        else things.now(asked.clock_hours),
        size_bytes=captured.size_bytes if asked.size_bytes is None else asked.size_bytes,
        state="waiting",
        tries=[],
        failures=0,
    )
    webhooks.book(made)
    return made


def check_size(size_bytes: int) -> None:
    """Raises FormError."""
    if not 0 <= size_bytes <= SIZE_LIMIT_BYTES:
        raise FormError(f"A body is padded to at most {SIZE_LIMIT_BYTES} bytes.")


def _header(asked: str | None, captured: str) -> str:
    if asked is None:
        return captured
    if not HEADER.fullmatch(asked):
        raise FormError("A header is 1 to 255 characters of ASCII, without spaces.")
    return asked
