"""The steps of what happens in several transactions, such as a welcome or a reward: how far each
one has come, for whoever goes on with it and for the customer's page.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from app import db, text
from app.db import Connection
from app.points.ledger.accounts import Account

WORDS_LENGTH_MAX = 500
SHOWN_MAX = 60  # steps of a customer, the newest sagas first
TITLES = {
    "member": "Became a member",
    "points": "Welcome points",
    "claim": "Came through a friend",
    "welcomed": "Welcome told",
    "hold": "Points set aside",
    "code": "Code at Shopify",
    "capture": "Points spent",
    "release": "Points given back",
}
# what becomes of a redemption: its steps' states and sentences; an empty one is whoever's who knows
REWARD = {
    "held": {
        "hold": ("done", ""),
        "code": ("waiting", "Asked for, and again until Shopify answers."),
    },
    "captured": {"code": ("done", "It exists."), "capture": ("done", "")},
    "released": {"code": ("failed", ""), "release": ("done", "Into the lots they came from.")},
    "returned": {"capture": ("undone", ""), "release": ("done", "Into the lots they came from.")},
}
# what was done stays done, unless it is taken back; what is told again changes nothing
NOTE = """
INSERT INTO saga_steps AS known (shop, saga, subject, customer_id, step, state, words, at, due_at,
                                 tries)
SELECT shop, saga, subject, customer_id, step, state, words, at, due_at, 0
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
              $8::timestamptz[], $9::timestamptz[])
    AS fresh (shop, saga, subject, customer_id, step, state, words, at, due_at)
 ORDER BY shop, saga, subject, step
ON CONFLICT (shop, saga, subject, step) DO UPDATE
   SET state = excluded.state, words = excluded.words, at = excluded.at, due_at = excluded.due_at
 WHERE (known.state IN ('waiting', 'failed') AND excluded.state <> 'waiting')
    OR (known.state = 'done' AND excluded.state = 'undone')
"""
SELECT_OF_CUSTOMER = """
SELECT saga, subject, step, state, words, at FROM saga_steps
 WHERE shop = $1 AND customer_id = $2 ORDER BY at DESC, id DESC LIMIT $3
"""


class Step(NamedTuple):
    """A step of a saga; `state` is done, waiting (until `due_at`), failed or undone."""

    shop: str
    saga: str  # welcome | redemption
    subject: str
    customer_id: str
    step: str
    state: str
    words: str  # a plain sentence
    at: datetime
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StepView:
    """A step as the customer's page shows it."""

    title: str
    state: str
    words: str
    at: datetime


@dataclass(frozen=True, slots=True)
class SagaView:
    """A saga of a customer with its steps, the first one first."""

    saga: str
    subject: str
    steps: list[StepView]


async def note(conn: Connection, steps: Iterable[Step]) -> None:
    """Write down what became of these steps, in the transaction of their effect."""
    found = {(one.shop, one.saga, one.subject, one.step): one for one in steps}
    if not found:
        return
    rows = [one._replace(words=text.clean(one.words, WORDS_LENGTH_MAX)) for one in found.values()]
    await conn.execute(NOTE, *map(list, zip(*rows, strict=True)))


async def of_reward(
    conn: Connection, account: Account, redemption_id: UUID, became: str, words: str, at: datetime
) -> None:
    """Write down what became of a redemption (a key of REWARD), with a sentence about it."""
    about = (account.shop, "redemption", str(redemption_id), account.customer_id)
    found = REWARD[became].items()
    await note(
        conn, [Step(*about, step, state, said or words, at) for step, (state, said) in found]
    )


async def of_customer(shop: str, customer_id: str) -> list[SagaView]:
    """The newest sagas of a customer, the newest one first."""
    async with db.connection() as conn:
        rows = await conn.fetch(SELECT_OF_CUSTOMER, shop, customer_id, SHOWN_MAX)
    found: dict[tuple[str, str], list[StepView]] = {}
    for row in rows:
        view = StepView(TITLES.get(row["step"], row["step"]), row["state"], row["words"], row["at"])
        found.setdefault((row["saga"], row["subject"]), []).append(view)
    return [SagaView(*key, list(reversed(steps))) for key, steps in found.items()]
