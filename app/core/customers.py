"""Who the customers of shops are: the newest profile Shopify told, their first and last order, and
nothing of them once deleted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from app import text
from app.facts import CustomerChanged, CustomerDeleted, CustomerMerged, OrderBuyer
from app.flow.event import Event, occurred_at

CHANGED = ("customer.created", "customer.updated")
DELETED = "customer.deleted"
ORDERS = ("order.paid", "order.updated")
MERGED = "customer.merged"
ID_LENGTH, NAME_LENGTH, EMAIL_LENGTH, CONSENT_LENGTH, ORDER_ID_LENGTH = 32, 512, 320, 32, 32
SORT_LENGTH = 200  # of a folded name: letters of four bytes must still fit into an index
NAMELESS = "\U0010ffff"  # sorts behind every name, and no search begins with it

COLUMNS = (
    "name, sort_name, email, profile_updated_at, person_at, consent, consent_at, "
    "first_order_at, first_order_id, deleted_at"
)
FRESH = f"""
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[],
              $7::timestamptz[], $8::text[], $9::timestamptz[], $10::timestamptz[], $11::text[],
              $12::timestamptz[])
    AS fresh (shop, customer_id, {COLUMNS})
"""
SELECT_KNOWN = """
SELECT known.shop, known.customer_id, known.deleted_at IS NOT NULL AS is_deleted,
       known.profile_updated_at, known.person_at, known.first_order_at
  FROM unnest($1::text[], $2::text[]) AS wanted (shop, customer_id)
  JOIN customers AS known
    ON known.shop = wanted.shop AND known.customer_id = wanted.customer_id
"""
INSERT = f"""
INSERT INTO customers (shop, customer_id, {COLUMNS}, joined_at, updated_at)
SELECT shop, customer_id, {COLUMNS}, now(), now()
{FRESH}
ON CONFLICT (shop, customer_id) DO NOTHING
"""
# Facts come in any order, so each rule compares moments and, where these are equal, the values.
_IS_DELETED = (
    "fresh.deleted_at IS NOT NULL "
    "AND (known.deleted_at IS NULL OR fresh.deleted_at < known.deleted_at)"
)
_IS_NEWER_PROFILE = """
fresh.profile_updated_at IS NOT NULL AND known.deleted_at IS NULL
AND (known.profile_updated_at IS NULL
     OR (known.profile_updated_at, known.name COLLATE "C", known.email COLLATE "C")
      < (fresh.profile_updated_at, fresh.name COLLATE "C", fresh.email COLLATE "C"))
"""
_IS_EARLIER_PERSON = """
fresh.person_at IS NOT NULL AND known.deleted_at IS NULL AND known.profile_updated_at IS NULL
AND (known.person_at IS NULL
     OR (fresh.person_at, fresh.name COLLATE "C", fresh.email COLLATE "C")
      < (known.person_at, known.name COLLATE "C", known.email COLLATE "C"))
"""
_IS_NEWER_CONSENT = """
fresh.consent_at IS NOT NULL AND known.deleted_at IS NULL
AND (known.consent_at IS NULL
     OR (known.consent_at, known.consent COLLATE "C")
      < (fresh.consent_at, fresh.consent COLLATE "C"))
"""
_IS_EARLIER_ORDER = """
fresh.first_order_at IS NOT NULL
AND (known.first_order_at IS NULL
     OR (fresh.first_order_at, fresh.first_order_id COLLATE "C")
      < (known.first_order_at, known.first_order_id COLLATE "C"))
"""
_IS_ANOTHER = f"(({_IS_DELETED}) OR ({_IS_NEWER_PROFILE}) OR ({_IS_EARLIER_PERSON}))"


def _taken(columns: Sequence[str], when: str) -> str:
    return ", ".join(
        f"{column} = CASE WHEN {when} THEN fresh.{column} ELSE known.{column} END"
        for column in columns
    )


# whoever is merged into another customer is gone as one who is deleted
MERGE = """
INSERT INTO customers (shop, customer_id, name, sort_name, email, consent, merged_into, deleted_at,
                       joined_at, updated_at)
VALUES ($1, $2, '', $5, '', '', $3, $4, now(), now())
ON CONFLICT (shop, customer_id) DO UPDATE
   SET name = '', sort_name = excluded.sort_name, email = '', consent = '', consent_at = NULL,
       profile_updated_at = NULL, person_at = NULL, merged_into = excluded.merged_into,
       deleted_at = COALESCE(customers.deleted_at, excluded.deleted_at), updated_at = now()
"""
FIRST_ORDER_TOO = """
UPDATE customers AS kept
   SET first_order_at = gone.first_order_at, first_order_id = gone.first_order_id,
       updated_at = now()
  FROM customers AS gone
 WHERE gone.shop = $1 AND gone.customer_id = $2 AND kept.shop = $1 AND kept.customer_id = $3
   AND gone.first_order_at < COALESCE(kept.first_order_at, 'infinity')
"""
_PERSONAL = ("name", "sort_name", "email", "profile_updated_at", "person_at")
_CONSENT = ("consent", "consent_at")
_FIRST_ORDER = ("first_order_at", "first_order_id")
_CONSENT_GOES_TOO = f"(({_IS_DELETED}) OR ({_IS_NEWER_CONSENT}))"
UPDATE = f"""
UPDATE customers AS known
   SET {_taken(_PERSONAL, _IS_ANOTHER)}, {_taken(_CONSENT, _CONSENT_GOES_TOO)},
       {_taken(_FIRST_ORDER, _IS_EARLIER_ORDER)}, {_taken(("deleted_at",), _IS_DELETED)},
       updated_at = now()
{FRESH}
 WHERE known.shop = fresh.shop AND known.customer_id = fresh.customer_id
   AND ({_IS_ANOTHER} OR ({_IS_NEWER_CONSENT}) OR ({_IS_EARLIER_ORDER}))
"""
# Its own table: an order changes it, and a customer's row would have to move in all its indexes.
LAST_ORDERS = """
INSERT INTO last_orders AS known (shop, customer_id, ordered_at)
SELECT shop, customer_id, ordered_at
  FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS fresh (shop, customer_id, ordered_at)
ON CONFLICT (shop, customer_id) DO UPDATE SET ordered_at = excluded.ordered_at
      WHERE known.ordered_at < excluded.ordered_at
"""
FORGET_NOTES = """
DELETE FROM customer_notes AS note USING unnest($1::text[], $2::text[]) AS gone (shop, customer_id)
 WHERE note.shop = gone.shop AND note.customer_id = gone.customer_id
"""
Key = tuple[str, str]  # shop, customer id
_changed = msgspec.json.Decoder(CustomerChanged)
_deleted = msgspec.json.Decoder(CustomerDeleted)
_buyer = msgspec.json.Decoder(OrderBuyer)
_merged = msgspec.json.Decoder(CustomerMerged)


class Profile(msgspec.Struct, frozen=True, order=True, gc=False):
    """What Shopify says of a customer; of two the greater one is the newer."""

    at: datetime
    name: str
    email: str


@dataclass(slots=True)
class Told:
    """All that a batch of facts says of one customer, whatever their order."""

    profile: Profile | None = None
    person: Profile | None = None  # of the first order that names them: good until a profile comes
    consent: tuple[datetime, str] | None = None  # to e-mail marketing, in Shopify's words
    first_order: tuple[datetime, str] | None = None  # when, order id
    last_order_at: datetime | None = None
    deleted_at: datetime | None = None


async def keep(connection: Any, events: Sequence[Event]) -> None:
    """Bring customers up to what `events` say; at most five statements, however many there are.

    The newest profile wins, a deletion is final, the first order is the earliest and the last one
    the latest: all of it in whatever order facts arrive. Raises msgspec.DecodeError or
    BadInputError (both permanent).
    """
    told = gather(events)
    if told:
        await write(connection, told)
    for event in events:
        if event.topic == MERGED:
            merged = _merged.decode(event.data)
            gone_at = occurred_at(event)
            await connection.execute(
                MERGE, event.shop, merged.customer_id, merged.kept_id, gone_at, NAMELESS
            )
            await connection.execute(
                FIRST_ORDER_TOO, event.shop, merged.customer_id, merged.kept_id
            )


def gather(events: Sequence[Event]) -> dict[Key, Told]:
    """What `events` say by customer; topics that say nothing of customers are skipped."""
    found: dict[Key, Told] = {}
    for event in events:
        if event.topic in ORDERS:
            _read_order(found, event)
        elif event.topic in CHANGED:
            changed = _changed.decode(event.data)
            told = found.setdefault((event.shop, changed.customer_id), Told())
            at = changed.updated_at or occurred_at(event)
            profile = _profile(at, changed.name, changed.email)
            told.profile = max(told.profile or profile, profile)
            if changed.consent:
                consent = (at, text.clean(changed.consent, CONSENT_LENGTH))
                told.consent = max(told.consent or consent, consent)
        elif event.topic == DELETED:
            told = found.setdefault((event.shop, _deleted.decode(event.data).customer_id), Told())
            at = occurred_at(event)
            told.deleted_at = min(told.deleted_at or at, at)
    return found


async def write(connection: Any, told: Mapping[Key, Told]) -> None:
    """Write customers who are new, and what is news about the others, in the order of their
    keys.

    Most facts are orders of customers who are known, and change nothing but when they ordered
    last: the customers are only read. What was no news stays none whatever others write meanwhile:
    profiles only get newer, the first order only earlier, and a deletion is final.
    """
    keys = sorted(told)
    columns = [shop for shop, _ in keys], [customer_id for _, customer_id in keys]
    known = {
        (row["shop"], row["customer_id"]): row
        for row in await connection.fetch(SELECT_KNOWN, *columns)
    }
    fresh = [_row(key, told[key]) for key in keys if key not in known]
    changed = [
        _row(key, told[key]) for key in keys if key in known and _is_news(told[key], known[key])
    ]
    if fresh:
        done = await connection.execute(INSERT, *_columns(fresh))
        if done != f"INSERT 0 {len(fresh)}":  # somebody else was first with some of them
            changed += fresh
    if changed:
        await connection.execute(UPDATE, *_columns(sorted(changed, key=_key)))
    if ordered := [(*key, at) for key in keys if (at := told[key].last_order_at)]:
        await connection.execute(LAST_ORDERS, *_columns(ordered))
    if gone := [key for key in keys if told[key].deleted_at]:
        await connection.execute(FORGET_NOTES, *_columns(gone))


def _is_news(told: Told, known: Any) -> bool:
    """Whether `told` may change a known customer; UPDATE decides."""
    if told.deleted_at is not None:
        return True
    first = known["first_order_at"]
    if told.first_order is not None and (first is None or told.first_order[0] <= first):
        return True
    if known["is_deleted"]:
        return False
    if told.consent is not None:
        return True
    newest, named = known["profile_updated_at"], known["person_at"]
    if told.profile is not None:
        return newest is None or told.profile.at >= newest
    return told.person is not None and newest is None and (named is None or told.person.at <= named)


def _read_order(found: dict[Key, Told], event: Event) -> None:
    order = _buyer.decode(event.data)
    if not order.customer_id or not order.is_paid:
        return
    told = found.setdefault((event.shop, order.customer_id), Told())
    at = order.processed_at or occurred_at(event)
    if not order.test:
        first = (at, text.clean(order.order_id, ORDER_ID_LENGTH))
        told.first_order = min(told.first_order or first, first)
        told.last_order_at = max(told.last_order_at or at, at)
    if order.customer is not None and (order.customer.name or order.customer.email):
        person = _profile(at, order.customer.name, order.customer.email)
        told.person = min(told.person or person, person)


def _profile(at: datetime, name: str, email: str) -> Profile:
    return Profile(at, text.clean(name, NAME_LENGTH), text.clean(email, EMAIL_LENGTH))


def _row(key: Key, told: Told) -> tuple[Any, ...]:
    """Values of COLUMNS behind the key; a profile outranks what orders say, a deletion both."""
    profile = person = consent = None
    if told.deleted_at is None:
        profile, person = told.profile, None if told.profile else told.person
        consent = told.consent
    shown = profile or person
    name, email = (shown.name, shown.email) if shown else ("", "")
    consent_at, consented = consent or (None, "")
    first_at, first_id = told.first_order or (None, None)
    return (
        *key,
        name,
        text.fold(name)[:SORT_LENGTH] or NAMELESS,
        email,
        profile.at if profile else None,
        person.at if person else None,
        consented,
        consent_at,
        first_at,
        first_id,
        told.deleted_at,
    )


def _key(row: tuple[Any, ...]) -> Any:
    return row[:2]


def _columns(rows: Any) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
