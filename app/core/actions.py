"""What changes shops and records their requests; the token exchange has `tokens`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

# A webhook can come days late. An uninstall from before the last install is history: the shop is
# back.
UNINSTALL = """
UPDATE shops
   SET status = 'uninstalled', uninstalled_at = told.at, token_version = token_version + 1,
       access_token = NULL, access_expires_at = NULL, refresh_token = NULL,
       refresh_expires_at = NULL
  FROM (SELECT shop, max(at) AS at FROM unnest($1::text[], $2::timestamptz[]) AS rows (shop,
  at) GROUP BY shop) AS told
 WHERE domain = told.shop AND status <> 'uninstalled' AND told.at >= installed_at
RETURNING domain
"""
RECORD = """
INSERT INTO compliance_requests (shop, topic, reference, payload, state, received_at)
SELECT shop, topic, reference, payload::jsonb, 'received', now()
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS asked (shop, topic, reference,
              payload)
ON CONFLICT (shop, topic, reference) DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """A compliance request; `reference` names it within shop and topic, `payload` is its JSON
    text.
    """

    shop: str
    topic: str
    reference: str
    payload: str


async def uninstall(connection: Any, shops: Sequence[tuple[str, datetime]]) -> list[str]:
    """Mark shops uninstalled at the moment Shopify says, and drop their tokens, which are dead
    already.

    Returns the shops this was news for. One that was installed again since is left alone.
    """
    rows = await connection.fetch(UNINSTALL, [shop for shop, _ in shops], [at for _, at in shops])
    return [row["domain"] for row in rows]


async def record_requests(connection: Any, requests: Sequence[Asked]) -> None:
    """Keep each compliance request once (platform.md §4.4)."""
    await connection.execute(
        RECORD,
        [request.shop for request in requests],
        [request.topic for request in requests],
        [request.reference for request in requests],
        [request.payload for request in requests],
    )
