"""What of a shop was set aside, grouped by its reason: shown, tried again or dismissed together."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from app import db, text
from app.db import Connection
from app.errors import BadInputError, NotFoundError
from app.flow import shown_letters
from app.flow.dead_letters import ID_MAX
from app.flow.shown_letters import LetterPage
from app.telemetry import logs

GROUPED_MAX = 10_000  # the newest letters of a shop; more are counted and not grouped
GROUPS_MAX = 50
DISMISSED_MAX = 10
NOTE_LENGTH_MAX = 500
NAME_LENGTH_MAX = 128
# two reasons that differ by a number or an id alone are one
_KIND = "regexp_replace(left(reason, 500), '[0-9a-f]{8,}|[0-9]+', '#', 'g')"
GROUPS = f"""
SELECT max(id) AS id, service, topic, (array_agg(reason ORDER BY id DESC))[1] AS reason,
       count(*)::int AS count, count(*) FILTER (WHERE state = 'dead')::int AS dead,
       min(created_at) AS first_at, max(created_at) AS last_at
  FROM (SELECT id, service, topic, reason, state, created_at FROM dead_letters
         WHERE shop = $1 AND state IN ('waiting', 'dead') ORDER BY id DESC LIMIT $2) AS newest
 GROUP BY service, topic, {_KIND} ORDER BY max(id) DESC LIMIT $3
"""
# the open letters that are of one kind with letter $2, itself included
_ALIKE = f"""
shop = $1 AND state IN ('waiting', 'dead') AND (service, topic, {_KIND}) =
    (SELECT service, topic, {_KIND} FROM dead_letters WHERE shop = $1 AND id = $2)
"""
COUNT_ALIKE = f"SELECT count(*)::int FROM dead_letters WHERE {_ALIKE}"
LIST_ALIKE = f"""
SELECT {shown_letters.columns("$5")} FROM dead_letters WHERE {_ALIKE}
 ORDER BY id DESC OFFSET $3 LIMIT $4
"""
REPLAY_ALIKE = f"""
UPDATE dead_letters
   SET attempts = CASE state WHEN 'waiting' THEN attempts ELSE 0 END,
       history = CASE state WHEN 'waiting' THEN history ELSE history || $3::jsonb END,
       state = 'waiting', next_attempt_at = now(), updated_at = now()
 WHERE {_ALIKE}
"""
DISMISS_ALIKE = f"""
UPDATE dead_letters
   SET state = 'discarded', note = $3, dismissed_by = $4, dismissed_at = now(),
       next_attempt_at = NULL, updated_at = now()
 WHERE {_ALIKE}
"""
DISMISSED = """
SELECT id, topic, reason, note, dismissed_by, dismissed_at FROM dead_letters
 WHERE shop = $1 AND state = 'discarded' ORDER BY dismissed_at DESC LIMIT $2
"""
log = logs.logger()


@dataclass(frozen=True, slots=True)
class Group:
    """Open letters with one reason; `id` is that of the newest and names the group, `dead` counts
    those that are not tried again by themselves.
    """

    id: int
    service: str
    topic: str
    reason: str  # of the newest
    count: int
    dead: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Dismissed:
    id: int
    topic: str
    reason: str
    note: str
    dismissed_by: str
    dismissed_at: datetime


@dataclass(frozen=True, slots=True)
class SetAside:
    """All that was set aside; `total` counts letters, also those that no group has."""

    groups: list[Group]
    total: int
    dismissed: list[Dismissed]  # the newest ten

    @property
    def is_cut(self) -> bool:
        return sum(group.count for group in self.groups) < self.total


async def of_shop(shop: str) -> SetAside:
    """The groups of `shop`, the one with the newest letter first."""
    total = await shown_letters.count_for_shop(shop)
    async with db.connection() as connection:
        rows = await connection.fetch(GROUPS, shop, GROUPED_MAX, GROUPS_MAX) if total else []
        dismissed = await connection.fetch(DISMISSED, shop, DISMISSED_MAX)
    return SetAside(
        [Group(**dict(row)) for row in rows],
        total,
        [Dismissed(**dict(row)) for row in dismissed],
    )


async def alike(shop: str, letter_id: int, page: int = 1, size: int = 20) -> LetterPage:
    """A page of the group that has this letter, the newest first; none where all were handled.
    Raises NotFoundError.
    """
    async with db.connection() as connection:
        await _check(connection, shop, letter_id)
        total = await connection.fetchval(COUNT_ALIKE, shop, letter_id)
        pages = max(1, -(-total // size))
        page = min(max(1, page), pages)
        rows = await connection.fetch(
            LIST_ALIKE, shop, letter_id, (page - 1) * size, size, shown_letters.READ_BYTES_MAX
        )
    return LetterPage(await shown_letters.shown(rows), total, page, pages)


async def replay_alike(shop: str, letter_id: int) -> int:
    """Ask for another try of every letter of a group; how many there are. Raises NotFoundError."""
    entry = {"at": datetime.now(UTC).isoformat(), "reason": "Replay asked for."}
    async with db.transaction() as connection:
        await _check(connection, shop, letter_id)
        done = await connection.execute(REPLAY_ALIKE, shop, letter_id, json.dumps([entry]))
    count = _count(done)
    log.info("replay asked for", shop=shop, letters=count)
    return count


async def dismiss_alike(shop: str, letter_id: int, note: str, by: str) -> int:
    """Put a group of letters away with a note of 1..500 characters; how many.

    Dismissing again changes nothing. Raises BadInputError, NotFoundError.
    """
    note = text.clean(note, NOTE_LENGTH_MAX + 1).strip()
    if problem := note_problem(note):
        raise BadInputError(problem)
    by = text.clean(by, NAME_LENGTH_MAX)
    async with db.transaction() as connection:
        await _check(connection, shop, letter_id)
        done = await connection.execute(DISMISS_ALIKE, shop, letter_id, note, by)
    count = _count(done)
    log.info("dismissed", shop=shop, letters=count)
    return count


def note_problem(note: str) -> str:
    """What is wrong with a note, as a sentence; "" for nothing."""
    if not note:
        return "Please say why nothing needs to be done; it is kept with what you dismiss."
    if len(note) > NOTE_LENGTH_MAX:
        return f"Please keep the note within {NOTE_LENGTH_MAX} characters."
    return ""


async def _check(connection: Connection, shop: str, letter_id: int) -> None:
    exists = "SELECT 1 FROM dead_letters WHERE shop = $1 AND id = $2"
    if not 0 < letter_id <= ID_MAX or not await connection.fetchval(exists, shop, letter_id):
        raise NotFoundError("There is no such message in this shop.")


def _count(done: str) -> int:
    """`UPDATE 3` → 3."""
    return int(done.rpartition(" ")[2])
