"""Records what Shopify asks about personal data, and what staff note about a customer; the token
exchange has `tokens`, and shops that leave have `leaving`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app import db, text
from app.errors import BadInputError, ConflictError, NotFoundError

NOTE_LENGTH_MAX = 1_000
NOTES_MAX = 500  # of one customer
KEY_LENGTH_MAX = 128
# a note is about somebody Shopify told us of and has not deleted
ADD_NOTE = """
INSERT INTO customer_notes (shop, customer_id, key, text, written_by, written_at)
SELECT shop, customer_id, $3, $4, $5, now() FROM customers
 WHERE shop = $1 AND customer_id = $2 AND deleted_at IS NULL
ON CONFLICT (shop, customer_id, key) DO NOTHING
RETURNING id
"""
SELECT_NOTE = "SELECT text FROM customer_notes WHERE shop = $1 AND customer_id = $2 AND key = $3"
COUNT_NOTES = "SELECT count(*) FROM customer_notes WHERE shop = $1 AND customer_id = $2"
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
                 timezone = COALESCE(NULLIF($4, ''), timezone),
                 said_at = $5::timestamptz
 WHERE domain = $1 AND name <> '' AND status <> 'uninstalled'
   AND (said_at IS NULL OR said_at <= $5::timestamptz)
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


async def add_note(shop: str, customer_id: str, note: str, key: str, by: str) -> None:
    """Keep what the member of staff `by` wrote about a customer, once a `key`.

    Raises BadInputError, NotFoundError (no such customer), ConflictError (key used otherwise).
    """
    note = text.clean(note, NOTE_LENGTH_MAX + 1)
    if not note.strip() or len(note) > NOTE_LENGTH_MAX:
        raise BadInputError(f"Please write a note of at most {NOTE_LENGTH_MAX:,} characters.")
    if not 1 <= len(key) <= KEY_LENGTH_MAX or text.clean(key, KEY_LENGTH_MAX) != key:
        raise BadInputError("This form is incomplete. Please reload the page.")
    async with db.connection() as connection:
        if await connection.fetchval(COUNT_NOTES, shop, customer_id) >= NOTES_MAX:
            raise BadInputError(f"There are {NOTES_MAX} notes about this customer; that is all.")
        made = await connection.fetchval(ADD_NOTE, shop, customer_id, key, note, text.clean(by, 64))
        if made is None:
            known = await connection.fetchval(SELECT_NOTE, shop, customer_id, key)
            if known is None:
                raise NotFoundError("There is no such customer in this shop.")
            if known != note:
                raise ConflictError("This note was already saved with other words.")
