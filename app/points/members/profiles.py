"""Who the members are: their names and addresses as Shopify tells them, and nothing of them
once deleted.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app import text
from app.facts import OrderPaid
from app.points import facts
from app.points.facts import Incoming
from app.points.ledger.accounts import Account, Key, NewMember

UPDATE_PROFILES = """
UPDATE members
   SET name = fresh.name, email = fresh.email, profile_updated_at = fresh.updated_at
  FROM unnest($1::bigint[], $2::text[], $3::text[], $4::timestamptz[]) AS fresh (id, name, email,
              updated_at)
 WHERE members.id = fresh.id AND members.deleted_at IS NULL
   AND (members.profile_updated_at IS NULL OR members.profile_updated_at <= fresh.updated_at)
"""
FILL_PROFILES = """
UPDATE members SET name = fresh.name, email = fresh.email
  FROM unnest($1::bigint[], $2::text[], $3::text[]) AS fresh (id, name, email)
 WHERE members.id = fresh.id AND members.deleted_at IS NULL AND members.name = '' AND members.email
       = ''
   AND members.profile_updated_at IS NULL
"""
ANONYMISE = """
UPDATE members SET name = '', email = '', profile_updated_at = NULL,
                   deleted_at = COALESCE(deleted_at, $2)
 WHERE id = ANY($1::bigint[])
"""


def missing_rows(
    incoming: Incoming, earning: Mapping[Key, OrderPaid], now: datetime
) -> list[NewMember]:
    """A member for everyone who earns, and for everyone Shopify tells us of.

    Someone deleted gets a row without name too: an older fact about them may still be on its way.
    """
    rows: dict[Key, NewMember] = {
        key: (*key, *_person(order), None, None) for key, order in earning.items()
    }
    for key, profile in incoming.profiles.items():
        if profile.is_deleted:
            rows[key] = (*key, "", "", None, now)
        elif profile.is_created or key in rows:
            rows[key] = (*key, profile.name, profile.email, profile.updated_at, None)
    return list(rows.values())


async def write_profiles(
    conn: Any, incoming: Incoming, by_key: dict[Key, Account], now: datetime
) -> None:
    """Bring names and addresses of the locked members up to the newest we were told."""
    told = [(by_key[key], profile) for key, profile in incoming.profiles.items() if key in by_key]
    updates = [(member, profile) for member, profile in told if not profile.is_deleted]
    if updates:
        await conn.execute(
            UPDATE_PROFILES,
            [member.id for member, _ in updates],
            [profile.name for _, profile in updates],
            [profile.email for _, profile in updates],
            [profile.updated_at for _, profile in updates],
        )
    await _fill(conn, incoming, by_key)
    deleted = [member.id for member, profile in told if profile.is_deleted]
    if deleted:
        await conn.execute(ANONYMISE, deleted, now)


async def _fill(conn: Any, incoming: Incoming, by_key: dict[Key, Account]) -> None:
    """Members made without a name, by a redemption, get it from their next order."""
    nameless: dict[int, tuple[str, str]] = {}
    for (shop, _), paid in incoming.paid.items():
        member = by_key.get((shop, paid.order.customer_id or ""))
        if (
            member is not None
            and not member.name
            and not member.is_deleted
            and any(person := _person(paid.order))
        ):
            nameless[member.id] = person
    if nameless:
        names = [name for name, _ in nameless.values()]
        await conn.execute(
            FILL_PROFILES, list(nameless), names, [email for _, email in nameless.values()]
        )


def _person(order: OrderPaid) -> tuple[str, str]:
    person = order.customer
    if person is None:
        return "", ""
    return text.clean(person.name, facts.NAME_LENGTH), text.clean(person.email, facts.EMAIL_LENGTH)
