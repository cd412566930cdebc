"""What happened to a member's points, in the order it happened: an event each, with the movements
it made.

All movements of one source are one event: what an order gave with the end of its hold-back, a
reward from its hold to its code. It stands where its first movement does.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from app import paging
from app.paging import Cursor, Links
from app.points.earning.campaigns import copies
from app.points.ledger import bonus_sentences, sentences
from app.points.members import detail
from app.points.views import HistoryEvent, LedgerView

SIZE = 25
LONG = 1_000  # movements: behind these an index has them by date (made by a migration)
KINDS = {
    "earned": {"earn"},
    "reward": {"hold", "capture", "return", "cancel", "unused", "comeback"},
    "taken_back": {"reverse"},
    "expired": {"expire"},
    "adjusted": {"adjust"},
}
OTHER = "other"
_KNOWN = sorted(effect for effects in KINDS.values() for effect in effects)
_KIND_OF = {effect: kind for kind, effects in KINDS.items() for effect in effects}
_LAST = 9_000_000_000_000_000_000  # behind every row
_COLUMNS = (
    "row.sequence, row.source, row.effect, row.from_bucket, row.to_bucket, row.points, row.why, "
    "row.effective_at, row.recorded_at"
)
# not as NOT EXISTS, which Postgres would answer for the whole ledger before it looks at a page
_FIRST = """
SELECT row.source, row.effective_at, row.sequence FROM ledger AS row
 WHERE row.member_id = $1 AND row.sequence {part} AND row.effective_at >= $2
   AND row.effective_at < $3 AND (row.effective_at, row.sequence) {beyond} ($4, $5::bigint)
   AND (split_part(row.effect, '.', 1) = ANY($6::text[])) <> $7
   AND row.sequence = (SELECT min(same.sequence) FROM ledger AS same
                        WHERE same.shop = $8 AND same.source = row.source AND same.member_id = $1)
 ORDER BY row.effective_at {way}, row.sequence {way} LIMIT $9
"""


def _first(beyond: str, way: str) -> str:
    """The first movements of events; of a long ledger from both sides of LONG."""
    few, many = (
        _FIRST.format(part=part, beyond=beyond, way=way) for part in (f"<= {LONG}", f"> {LONG}")
    )
    both = f"({few}) UNION ALL ({many})"
    return f"{both} ORDER BY effective_at {way}, sequence {way} LIMIT $9"


SELECT_FIRST, SELECT_FIRST_BACKWARDS = _first("<", "DESC"), _first(">", "ASC")
SELECT_ROWS = f"""
SELECT {_COLUMNS} FROM unnest($2::text[]) AS wanted (source)
  JOIN ledger AS row ON row.shop = $1 AND row.source = wanted.source
 WHERE row.member_id = $3 ORDER BY row.sequence
"""
# what a row names by its number alone, such as the order of a member's friend
SELECT_NAMES = "SELECT source, name FROM grants WHERE shop = $1 AND source = ANY($2::text[])"


class Asked(NamedTuple):
    """Which events: of a kind (empty: of all), from a moment and before one."""

    kind: str = ""
    since: datetime = paging.moment(0)
    before: datetime = paging.NEVER


async def events(
    conn: Any, shop: str, member_id: int, asked: Asked, at: Cursor | None, size: int = SIZE
) -> tuple[list[HistoryEvent], Links]:
    """A page of what happened, the latest first; its moment and movement name an event."""
    is_backwards = at is not None and at.is_backwards
    start = (paging.moment(at.keys[0]), at.keys[1]) if at else (paging.NEVER, _LAST)
    is_excluding = asked.kind not in KINDS
    effects = [] if not asked.kind else sorted(KINDS.get(asked.kind, _KNOWN))
    found = await conn.fetch(
        SELECT_FIRST_BACKWARDS if is_backwards else SELECT_FIRST,
        member_id,
        asked.since,
        asked.before,
        *start,
        effects,
        is_excluding,
        shop,
        size + 1,
    )
    first, has_previous, has_next = paging.cut(found, at, size)
    if not first:
        return [], Links()
    rows: dict[str, list[Any]] = defaultdict(list)
    for row in await conn.fetch(SELECT_ROWS, shop, [one["source"] for one in first], member_id):
        rows[row["source"]].append(row)
    keys = [f"{paging.key(one['effective_at'])}.{one['sequence']}" for one in first]
    links = paging.links(keys[0], keys[-1], has_previous, has_next)
    campaigns = await _campaigns(conn, shop, rows.values())
    made = [_event(rows[one["source"]], campaigns) for one in first]
    nameless = [f"order:{one.order_id}" for one in made if one.order_id and not one.order_name]
    if nameless:
        found = await conn.fetch(SELECT_NAMES, shop, nameless)
        names = {row["source"].partition(":")[2]: row["name"] for row in found}
        made = [
            replace(one, order_name=one.order_name or names.get(one.order_id, "")) for one in made
        ]
    return made, links


async def _campaigns(conn: Any, shop: str, events_: Iterable[Sequence[Any]]) -> dict[int, str]:
    """The names of campaigns that did not count, by the copies that rows name."""
    whys = (msgspec.json.decode(row["why"]) for rows in events_ for row in rows)
    wanted = {copy for why in whys for copy in bonus_sentences.copies(why)}
    return await copies.names(conn, shop, wanted) if wanted else {}


def _event(rows: Sequence[Any], campaigns: Mapping[int, str]) -> HistoryEvent:
    views = [_view(row, campaigns) for row in rows]
    first = rows[0]
    why = msgspec.json.decode(first["why"])
    kind, _, name = str(why.get("lot", "")).partition(":")
    lot_of = name.partition(":")[0] if kind == "order" else ""  # what follows tells lots apart
    return HistoryEvent(
        _KIND_OF.get(first["effect"].split(".", 1)[0], OTHER),
        str(why.get("order_id") or lot_of),
        str(why.get("order_name") or ""),
        sum(view.change for view in views),
        first["effective_at"],
        views,
    )


def _view(row: Any, campaigns: Mapping[int, str]) -> LedgerView:
    points = row["points"]
    return LedgerView(
        row["sequence"],
        row["source"],
        row["effect"],
        row["from_bucket"],
        row["to_bucket"],
        points,
        detail.change(row),
        sentences.sentence(row["effect"], points, row["why"], campaigns),
        str(msgspec.json.decode(row["why"]).get("by", "")),
        row["effective_at"],
        row["recorded_at"],
    )
