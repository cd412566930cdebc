"""Records what Shopify asks about personal data; the token exchange has `tokens`, and shops that
leave have `leaving`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

RECORD = """
INSERT INTO compliance_requests (shop, topic, reference, payload, state, received_at)
SELECT shop, topic, reference, payload::jsonb, 'received', now()
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS asked (shop, topic, reference,
              payload)
ON CONFLICT (shop, topic, reference) DO NOTHING
"""
# what it does not say stays; one that nobody has described yet is described by its opening
FOLLOW_SHOP = """
UPDATE shops SET name = COALESCE(NULLIF($2, ''), name),
                 currency = COALESCE(NULLIF($3, ''), currency),
                 timezone = COALESCE(NULLIF($4, ''), timezone)
 WHERE domain = $1 AND name <> '' AND status <> 'uninstalled'
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


async def record_requests(connection: Any, requests: Sequence[Asked]) -> None:
    """Keep each compliance request once, however often Shopify sends it."""
    await connection.execute(
        RECORD,
        [request.shop for request in requests],
        [request.topic for request in requests],
        [request.reference for request in requests],
        [request.payload for request in requests],
    )
