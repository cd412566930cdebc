"""What points does about referrals: the advocate's reward once, taken back once, whatever of the
two is told first.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from app import text
from app.db import Connection, Row
from app.errors import BadInputError
from app.flow.event import Event
from app.own_facts import ReferralCompleted, ReferralReversed
from app.points.earning import terms
from app.points.earning.rules import Terms
from app.points.ledger.accounts import Account, Key
from app.points.ledger.posting import Batch
from app.points.rewards import giving as rewards
from app.points.ways import awards
from app.points.ways import rules as limits
from app.points.ways.awards import Taking

ID_LENGTH_MAX = 40
REASON_LENGTH_MAX = 300
NAME_LENGTH_MAX = 64
UPDATE = """
UPDATE grants SET known = $3, member_id = $4, points = points + $5, revision = $6, outcome = $7,
                  reversed_points = reversed_points - $8, forgiven = forgiven - $8,
                  unmet = least(unmet, forgiven - $8)
 WHERE shop = $1 AND source = $2
"""
# a referral is in the hands of one at a time, also while nothing of it is known
LOCK = """
SELECT pg_advisory_xact_lock(key)
  FROM (SELECT DISTINCT hashtextextended(name, 0) AS key
          FROM unnest($1::text[]) AS name ORDER BY key) AS keys
"""


class Known(msgspec.Struct, omit_defaults=True):
    """What is known of a referral, from whatever was told of it and in any order."""

    advocate_id: str = ""
    friend_id: str = ""
    order_id: str = ""
    order_name: str = ""
    points: int = 0
    reward_id: str = ""
    completed_at: datetime | None = None
    reversed_at: datetime | None = None
    reason: str = ""
    rewarded: int = 0  # how often the reward was given: once more when it stands again
    has_reward: bool = False

    @property
    def stands(self) -> bool:
        """Whether it is to be rewarded: completed, and not reversed since."""
        if self.completed_at is None:
            return False
        return self.reversed_at is None or self.completed_at > self.reversed_at

    def with_(self, other: "Known") -> "Known":
        """Both together: of two words of one kind the newer one."""
        found = msgspec.structs.replace(self)
        if other.completed_at and (not self.completed_at or other.completed_at > self.completed_at):
            found.advocate_id, found.friend_id = other.advocate_id, other.friend_id
            found.order_id, found.completed_at = other.order_id, other.completed_at
            found.order_name = other.order_name
            if self.completed_at is None:  # what was promised first stays
                found.points, found.reward_id = other.points, other.reward_id
        if other.reversed_at and (not self.reversed_at or other.reversed_at > self.reversed_at):
            found.reversed_at, found.reason = other.reversed_at, other.reason
            found.advocate_id = found.advocate_id or other.advocate_id
        return found


Referral = Known
_known = msgspec.json.Decoder(Known)


def complete(
    found: dict[Key, Referral], event: Event, told: ReferralCompleted, at: datetime
) -> None:
    """Add a completion to what a batch says. Raises BadInputError for one that makes no sense."""
    if not 0 <= told.points <= limits.POINTS_MAX:
        raise BadInputError("The points of a referral make no sense.")
    one = Known(
        told.advocate_id,
        told.friend_id,
        told.order_id,
        text.clean(told.order_name, NAME_LENGTH_MAX),
        told.points,
        told.reward_id,
        at,
    )
    _add(found, event.shop, told.referral_id, one)


def reverse(found: dict[Key, Referral], event: Event, told: ReferralReversed, at: datetime) -> None:
    """Add a reversal to what a batch says. Raises BadInputError."""
    reason = text.clean(told.reason, REASON_LENGTH_MAX)
    one = Known(told.advocate_id, reversed_at=at, reason=reason)
    _add(found, event.shop, told.referral_id, one)


def _add(found: dict[Key, Referral], shop: str, referral_id: str, one: Known) -> None:
    if not 1 <= len(referral_id) <= ID_LENGTH_MAX or ":" in referral_id:
        raise BadInputError("The id of a referral makes no sense.")
    known = found.get((shop, referral_id))
    found[shop, referral_id] = known.with_(one) if known else one


async def follow(
    conn: Connection, told: Mapping[Key, Referral], now: datetime
) -> dict[int, Account]:
    """Bring each referral's grant to what it is to be; whose balances changed. Raises
    FrozenError.
    """
    await conn.fetch(LOCK, [f"referral/{shop}/{name}" for shop, name in told])
    shops, sources = [shop for shop, _ in told], [f"referral:{name}" for _, name in told]
    rows = {
        (row["shop"], row["source"].partition(":")[2]): row
        for row in await conn.fetch(awards.SELECT_GRANTS, shops, sources)
    }
    batch = Batch(now)
    merged: dict[Key, Known] = {}
    for key, one in told.items():
        row = rows.get(key)
        merged[key] = _known.decode(row["known"]).with_(one) if row else one
    advocates = {
        key: (key[0], known.advocate_id) for key, known in merged.items() if known.advocate_id
    }
    ids = [row["member_id"] for row in rows.values() if row["member_id"] is not None]
    await batch.lock(conn, advocates.values(), ids)
    await batch.make(conn, [advocates[key] for key, known in merged.items() if known.stands])
    await batch.follow_merged(conn)
    await batch.load_lots(conn, list(batch.accounts))
    today, then = await _terms(conn, merged)
    for key, known in merged.items():
        row = rows.get(key)
        member = row["member_id"] if row else None
        if member not in batch.accounts:  # none yet, or one who left nothing behind
            found = batch.by_customer.get(advocates.get(key, ("", "")))
            member = found.id if found else None
        account = batch.account(member) if member else None
        await _bring(conn, batch, key, Change(row, known, account, today[key[0]], then.get(key)))
    await batch.write(conn)
    return batch.moved


async def _terms(
    conn: Connection, merged: Mapping[Key, Known]
) -> tuple[Mapping[str, Terms], Mapping[Key, Terms]]:
    """The terms of today by shop, and those of when each was completed, where they are others."""
    today = await terms.of_shops(conn, {shop for shop, _ in merged})
    return today, await terms.at(
        conn, today, {key: known.completed_at for key, known in merged.items()}
    )


class Change(NamedTuple):
    """A referral's grant as it was, what is known now, and whose it is."""

    row: Row | None
    known: Known
    account: Account | None
    today: Terms
    earlier: Terms | None

    @property
    def then(self) -> Terms:
        """The terms of when it was completed."""
        return self.earlier or self.today


async def _bring(conn: Connection, batch: Batch, key: Key, change: Change) -> None:
    """Give the advocate what is not given, or take back what is."""
    shop, name = key
    row, known, account = change.row, change.known, change.account
    source = f"referral:{name}"
    net = row["points"] - row["reversed_points"] if row else 0
    why: dict[str, Any] = {
        "way": "referral",
        "referral": name,
        "friend_id": known.friend_id,
        "order_id": known.order_id,
        "order_name": known.order_name,
    }
    revision, points, left, outcome = (row["revision"] if row else 0), 0, 0, "reversed"
    if known.stands:
        assert account is not None, "who is to be rewarded was made a member"
        outcome = "zero" if change.then.state == "live" else change.then.state
        if known.reward_id and change.then.state == "live":
            outcome = "earned"
            await _reward(conn, batch, account, source, known)
        if known.points and change.then.state == "live":
            outcome = "earned"
            # what a policy had left with the advocate was never taken
            left = min(row["forgiven"], known.points - net) if row else 0
            points = known.points - net - left
            if points:
                revision += 1 if row and row["points"] else 0
                part = f"{source}:{revision}" if revision else source
                at = known.completed_at or batch.now
                awards.give(batch, account, "referral", part, points, why, at, change.then)
    elif row and account is not None:
        if known.has_reward:
            await _unreward(conn, batch, account, source, known)
        times = row["revision"]
        part = f"{source}:back.{times}" if times else f"{source}:back"
        at = known.reversed_at or batch.now
        how = Taking(part, {**why, "reason": known.reason}, at, change.today.clawback)
        await awards.take_back(conn, batch, account, row, how)
    said = msgspec.json.encode(known).decode()
    member_id = account.id if account else None
    if row is None:
        rule = change.then.version
        record = _fresh(shop, source, member_id, outcome, points, said, rule, batch.now)
        batch.insert("grants", awards.GRANT, record)
        return
    await conn.execute(UPDATE, shop, source, said, member_id, points, revision, outcome, left)


async def _reward(
    conn: Connection, batch: Batch, account: Account, source: str, known: Known
) -> None:
    """Give the reward that was promised, unless the advocate has it. Raises NotFoundError."""
    if known.has_reward:
        return
    known.rewarded, known.has_reward = known.rewarded + 1, True
    order = known.order_name or known.order_id
    why = f"For a friend, customer {known.friend_id}, whose order {order} counts."
    key = f"{source}:{known.rewarded}"
    await rewards.give(conn, batch, account, known.reward_id, key, why, "")


async def _unreward(
    conn: Connection, batch: Batch, account: Account, source: str, known: Known
) -> None:
    """Take it back; one whose code was used already stays theirs, and is not given once more."""
    key = f"{source}:{known.rewarded}"
    known.has_reward = not await rewards.take_back(conn, batch, account, key, known.reason)


def _fresh(
    shop: str,
    source: str,
    member_id: int | None,
    outcome: str,
    points: int,
    known: str,
    rule: int,
    now: datetime,
) -> tuple[Any, ...]:
    frozen = f'{{"rule":{rule},"rate":"0","rounding":"down"}}'
    return (
        *(shop, "referral", source, "", member_id, outcome, rule, frozen, known),
        *(points, 0, 0, 0, 0, 0, now),
    )
