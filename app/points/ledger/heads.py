"""The heads of the hash chains as verification last found them, signed: what was there must still
be there, so that a member deleted with all its rows, or a chain written anew, is noticed.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from struct import iter_unpack
from typing import Any

from app import db
from app.db import Connection
from app.flow import event as envelope
from app.flow.event import BadSignatureError

SLOT = 65_536  # ids of members in a row of `audit_heads`: at most 2 MB
HEAD = ">qq16s"  # member id, sequence, the first half of its hash

OF_SLOT = """
SELECT shop, slot, signed_at, signature, heads FROM audit_heads
 WHERE slot = $1 AND ($2::text IS NULL OR shop = $2)
"""
OF_MEMBERS = """
SELECT shop, string_agg(int8send(id) || int8send(sequence) || substr(last_hash, 1, 16), ''
                        ORDER BY id) AS heads
  FROM members WHERE id = ANY($1::bigint[]) AND sequence > 0 GROUP BY shop
"""
# what is no longer the head must still be in the chain
REWRITTEN = """
SELECT was.member_id
  FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) AS was (member_id, sequence, hash)
  LEFT JOIN ledger ON ledger.member_id = was.member_id AND ledger.sequence = was.sequence
 WHERE substr(ledger.hash, 1, 16) IS DISTINCT FROM was.hash
"""
PUBLISH = """
INSERT INTO audit_heads (shop, slot, signed_at, signature, heads)
SELECT shop, $1, signed_at, signature, heads
  FROM unnest($2::text[], $3::bigint[], $4::text[], $5::bytea[])
    AS fresh (shop, signed_at, signature, heads)
 ORDER BY shop
ON CONFLICT (shop, slot) DO UPDATE
   SET signed_at = excluded.signed_at, signature = excluded.signature, heads = excluded.heads
"""
FORGET = "DELETE FROM audit_heads WHERE $1::text IS NULL OR shop = $1"

Heads = dict[int, tuple[int, bytes]]


async def of_slot(slot: int, shop: str | None) -> list[Any]:
    """The published heads of a slot, of all shops or of one."""
    async with db.connection() as connection:
        rows: list[Any] = await connection.fetch(OF_SLOT, slot, shop)
    return rows


async def of_members(connection: Connection, ids: Sequence[int]) -> list[tuple[str, bytes]]:
    """The heads of members as they are now, packed, by shop."""
    rows = await connection.fetch(OF_MEMBERS, ids)
    return [(row["shop"], row["heads"]) for row in rows]


async def settle(
    slot: int,
    published: Sequence[Any],
    found: dict[str, list[bytes]],
    secrets: Sequence[str],
    add: Callable[[str], None],
) -> int:
    """Compare the `published` heads of a slot with those `found` after them, and publish these.

    What is wrong goes to `add`, and what was published there stays as the proof of it. How many
    members were compared.
    """
    now = {shop: b"".join(parts) for shop, parts in found.items()}
    compared, wrong = 0, set()
    for row in published:
        problems = await _compare(row, now.get(row["shop"], b""), secrets)
        compared += len(row["heads"]) // 32
        if problems:
            wrong.add(row["shop"])
        for problem in problems:
            add(problem)
    await _publish(slot, {shop: packed for shop, packed in now.items() if shop not in wrong})
    return compared


async def forget(shop: str | None = None) -> None:
    """Take back what was published, of all shops or of one: the next walk publishes anew."""
    async with db.connection() as connection:
        await connection.execute(FORGET, shop)


async def _compare(row: Any, packed: bytes, secrets: Sequence[str]) -> list[str]:
    shop, taken = row["shop"], datetime.fromtimestamp(row["signed_at"], UTC)
    since = f"as of {taken:%Y-%m-%d %H:%M} UTC"
    name = _name(shop, row["slot"])
    try:
        envelope.verify(name, row["signed_at"], row["heads"], row["signature"], secrets)
    except BadSignatureError:
        problem = (
            f"{shop}: the heads of its chains {since} are not signed by a secret of EVENT_SECRETS; "
            f"if that secret is gone, publish anew with --forget-heads"
        )
        return [problem]
    if row["heads"] == packed:
        return []
    was, now = _unpack(row["heads"]), _unpack(packed)
    problems, moved = [], []
    for member_id, (sequence, digest) in was.items():
        if member_id not in now:
            problems.append(f"{shop} member {member_id} was there {since} and is gone")
        elif now[member_id][0] > sequence:
            moved.append((member_id, sequence, digest))
        elif now[member_id] != (sequence, digest):
            problems.append(f"{shop} member {member_id}: {_rewritten(since)}")
    if moved:
        async with db.connection() as connection:
            rows = await connection.fetch(REWRITTEN, *map(list, zip(*moved, strict=True)))
        problems += [f"{shop} member {row['member_id']}: {_rewritten(since)}" for row in rows]
    return problems


def _rewritten(since: str) -> str:
    return f"its ledger {since} is not the beginning of its ledger now"


async def _publish(slot: int, heads: dict[str, bytes]) -> None:
    if not heads:
        return
    signed = [envelope.signed(_name(shop, slot), packed) for shop, packed in heads.items()]
    async with db.connection() as connection:
        await connection.execute(
            PUBLISH,
            slot,
            list(heads),
            [signed_at for signed_at, _ in signed],
            [signature for _, signature in signed],
            list(heads.values()),
        )


def _name(shop: str, slot: int) -> str:
    """What the signature is for, so that heads of one shop are none of another."""
    return f"heads/{shop}/{slot}"


def _unpack(packed: bytes) -> Heads:
    return {one: (sequence, digest) for one, sequence, digest in iter_unpack(HEAD, packed)}
