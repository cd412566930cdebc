"""The welcome of a new account, a saga: member, welcome points, the friend's claim where there is
one, and then `member.welcomed` is told.

Each step is written down in the transaction of its effect, and one that cannot be done takes back
the points of those before it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from app import db
from app.db import Connection, Row, Stores
from app.flow import event as envelope
from app.flow.bus import log as fact_log
from app.own_facts import MemberWelcomed, ReferralCreated
from app.points import steps
from app.points.earning import terms
from app.points.ledger import balances
from app.points.ledger.accounts import FrozenError
from app.points.ledger.posting import Batch
from app.points.steps import Step
from app.points.ways import awards
from app.points.ways.awards import Taking
from app.resilience import failures
from app.telemetry import logs
from app.writes import Writes

SAGA = "welcome"
# for the claim of a friend, which another service tells at about the same moment
CLAIM_WAIT = timedelta(seconds=5)
BATCH = 100
TRIES_MAX = 5
AGAIN_AFTER = timedelta(minutes=1)
GONE = "The account is gone, so nobody was welcomed."
LOST = "The welcome could not be told, so its points were taken back."
DUE = f"""
SELECT id, shop, subject AS customer_id, tries FROM saga_steps
 WHERE state = 'waiting' AND due_at <= $1 AND saga = '{SAGA}'
 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""
OLDEST = DUE.replace("LIMIT $2 FOR UPDATE SKIP LOCKED", "LIMIT 1")
# whoever is due, with what their welcome gave and whether they are still there
KNOWN = """
SELECT wanted.number, member.id AS member_id, member.merged_into,
       COALESCE(given.points - given.reversed_points, 0) AS points
  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS wanted (shop, customer_id, number)
  LEFT JOIN members AS member
    ON member.shop = wanted.shop AND member.customer_id = wanted.customer_id
  LEFT JOIN grants AS given
    ON given.shop = wanted.shop AND given.source = 'way:account:' || wanted.customer_id
"""
ENDED = """
UPDATE saga_steps SET state = ended.state, words = ended.words, at = $4, due_at = NULL
  FROM unnest($1::bigint[], $2::text[], $3::text[]) AS ended (id, state, words)
 WHERE saga_steps.id = ended.id
"""
LATER = """
UPDATE saga_steps SET tries = tries + 1, due_at = $2 WHERE id = $1 AND state = 'waiting'
"""
HURRY = f"""
UPDATE saga_steps SET due_at = $3
  FROM unnest($1::text[], $2::text[]) AS friend (shop, customer_id)
 WHERE saga_steps.shop = friend.shop AND subject = friend.customer_id AND saga = '{SAGA}'
   AND step = 'welcomed' AND state = 'waiting' AND due_at > $3
"""
log = logs.logger()


def begun(shop: str, customer_id: str, points: int, at: datetime, now: datetime) -> list[Step]:
    """The steps that are done with a new account, and the one that waits; `points` is what it
    gave.
    """
    given = f"{points:,} points for creating an account." if points else ""
    words = {
        "member": (at, "The account was created, and its owner is a member."),
        "points": (at, given or "Creating an account gave no points."),
    }
    done = [
        Step(shop, SAGA, customer_id, customer_id, step, "done", said, when)
        for step, (when, said) in words.items()
    ]
    due = now + CLAIM_WAIT
    waiting = "Waits a moment for a friend's claim."
    return [
        *done,
        Step(shop, SAGA, customer_id, customer_id, "welcomed", "waiting", waiting, now, due),
    ]


async def attach(conn: Connection, claims: Sequence[tuple[str, ReferralCreated, datetime]]) -> None:
    """Note that these accounts came through a friend; then their welcome need not wait."""
    await steps.note(
        conn,
        [
            Step(
                *(shop, SAGA, told.friend_id, told.friend_id, "claim", "done"),
                f"Came through a member's link (referral {told.referral_id}).",
                at,
            )
            for shop, told, at in claims
        ],
    )
    shops = [shop for shop, _, _ in claims]
    await conn.execute(
        HURRY, shops, [told.friend_id for _, told, _ in claims], max(at for _, _, at in claims)
    )


async def go_on(now: datetime, stores: Stores | None = None, limit: int = BATCH) -> int:
    """Tell of those whose welcome is due; how many were ended, of at most `limit`. A welcome that
    fails five times takes its points back. Call it until it answers 0.
    """
    try:
        return await _tell(now, limit)
    except Exception as error:
        if failures.is_passing(error):
            raise
    ended = 0
    for _ in range(limit):  # one by one, until the one at fault is alone
        try:
            if not await _tell(now, 1):
                break
            ended += 1
        except Exception as error:
            if failures.is_passing(error):
                raise
            log.exception("a welcome failed")
            await _put_off(now, stores)
    return ended


async def _tell(now: datetime, limit: int) -> int:
    async with db.transaction() as conn:
        due = await conn.fetch(DUE, now, limit)
        if not due:
            return 0
        known = await conn.fetch(
            KNOWN, [row["shop"] for row in due], [row["customer_id"] for row in due]
        )
        told, ended = [], []
        for row in known:
            step = due[row["number"] - 1]
            is_gone = row["member_id"] is None or row["merged_into"] is not None
            if not is_gone:
                told.append(_welcomed(step, row["points"], now))
            said = GONE if is_gone else "Told to whoever sends messages."
            ended.append((step["id"], "failed" if is_gone else "done", said))
        await conn.execute(ENDED, *map(list, zip(*ended, strict=True)), now)
        writes = Writes()
        fact_log.add(writes, told)
        await writes.send(conn)
    return len(due)


def _welcomed(step: Row, points: int, now: datetime) -> envelope.Event:
    data = MemberWelcomed(step["customer_id"], points, now)
    return envelope.new("member.welcomed", step["shop"], step["shop"], data, trace="")


async def _put_off(now: datetime, stores: Stores | None) -> None:
    """Try the one that failed again later; after enough tries its points go back, and then it is
    ended: who dies in between finds them gone back already.
    """
    async with db.connection() as conn:
        row = await conn.fetchrow(OLDEST, now)
    if row is None:
        return
    is_over = row["tries"] + 1 >= TRIES_MAX
    if is_over:
        try:
            await compensate(row["shop"], row["customer_id"], LOST, now, stores)
        except FrozenError:
            is_over = False  # nothing moves until they are repaired: taken back after that
    async with db.connection() as conn:
        if is_over:
            await conn.execute(ENDED, [row["id"]], ["failed"], [LOST], now)
        else:
            pause = AGAIN_AFTER * 2 ** min(row["tries"], TRIES_MAX)
            await conn.execute(LATER, row["id"], now + pause)


async def compensate(
    shop: str, customer_id: str, reason: str, now: datetime, stores: Stores | None = None
) -> None:
    """Take the points of a welcome back, once. Raises FrozenError."""
    batch = Batch(now)
    async with db.transaction() as conn:
        await batch.lock(conn, [(shop, customer_id)])
        await batch.follow_merged(conn)
        source = f"way:account:{customer_id}"
        row = await conn.fetchrow(awards.SELECT_GRANTS, [shop], [source])
        member = batch.by_customer.get((shop, customer_id))
        account = batch.account(member.id) if member else None
        if row is None or account is None:
            return
        await batch.load_lots(conn, [account.id])
        policy = (await terms.of_shops(conn, [shop]))[shop].clawback
        why: dict[str, Any] = {"way": "account", "reason": reason}
        how = Taking(f"{source}:back", why, now, policy)
        await awards.take_back(conn, batch, account, row, how)
        await batch.write(conn)
        await steps.note(conn, [undone(shop, customer_id, reason, now)])
    if stores is not None and batch.moved:
        await balances.publish(stores, batch.moved.values(), now)


def undone(shop: str, customer_id: str, reason: str, now: datetime) -> Step:
    """The welcome points of an account as a step that was taken back."""
    return Step(shop, SAGA, customer_id, customer_id, "points", "undone", reason, now)
