"""Rewards given without cost, such as for a tier or a referral: redemptions of no points, which get
their code like all others, and are taken back while their code is not used.
"""

import uuid
from hashlib import sha256

from app import text
from app.db import Connection
from app.points import steps
from app.points.ledger.accounts import Account
from app.points.ledger.keys import fingerprint
from app.points.ledger.posting import Batch
from app.points.rewards import actions, rules

REASON_LENGTH_MAX = 500
# whoever looks after released redemptions switches off what was made of it
TAKE_BACK = """
UPDATE redemptions SET state = 'released', reason = $4, next_attempt_at = $5, attempts = 0,
                       updated_at = $5
 WHERE shop = $1 AND customer_id = $2 AND idempotency_key = $3 AND points = 0
   AND state IN ('held', 'captured')
RETURNING id
"""


async def give(
    conn: Connection,
    batch: Batch,
    account: Account,
    reward_id: str,
    source: str,
    why: str,
    request_id: str,
) -> bool:
    """Give a locked member a reward for nothing, in the transaction open on `conn`, once for each
    `source`; False when it was given already. `why` is a plain sentence.

    A promise is kept: neither the reward's limits nor its being switched off stand against it. Of a
    reward whose points one chooses it is the least. Raises NotFoundError for an unknown reward.
    """
    reward = await actions.reward_of(conn, account.shop, reward_id)
    choose = reward.details.choose
    least = choose.least if choose else None
    worth = rules.chosen(reward.kind, reward.cost, reward.amount_off, reward.details, least)
    row = await actions.record(
        conn,
        account,
        reward,
        worth._replace(points=0),
        uuid.uuid4(),
        _key(source),
        fingerprint(reward_id, text.clean(why, REASON_LENGTH_MAX)),
        (),
        text.clean(request_id, actions.REQUEST_ID_LENGTH_MAX),
        batch.now,
    )
    return row is not None


async def take_back(
    conn: Connection, batch: Batch, account: Account, source: str, why: str
) -> bool:
    """Take back what was given a locked member for that source, unless its code was used; whether
    there was anything to take.
    """
    found = await conn.fetchval(
        TAKE_BACK,
        account.shop,
        account.customer_id,
        _key(source),
        text.clean(why, REASON_LENGTH_MAX),
        batch.now,
    )
    if found is not None:
        await steps.of_reward(conn, account, found, "returned", why, batch.now)
    return found is not None


def _key(source: str) -> str:
    """No shopper can have asked with it: their keys have no spaces."""
    return f"given {sha256(source.encode()).hexdigest()}"
