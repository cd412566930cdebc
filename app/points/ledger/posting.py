"""The ledger's only writer: a batch loads and locks accounts, decides their movements in memory,
and writes them, hash-chained, with one statement a table.

The chain, one a member: hash(n) = SHA-256(hash(n-1) + row(n)), hash(0) = 32 zero bytes. row(n) is
the UTF-8 of the JSON array [shop, member id, sequence, source, effect, from bucket, to bucket,
points, why, effective at, recorded at] without spaces, moments as whole microseconds since 1970,
`why` as the very text that is stored.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import asyncpg
import msgspec

from app.db import Connection
from app.flow.bus import log as fact_log
from app.flow.event import Event
from app.points.ledger import accounts, lots, totals
from app.points.ledger.accounts import (
    NEGATIVE,
    Account,
    BrokenAccountError,
    Key,
)
from app.points.ledger.lots import Lot
from app.points.ledger.totals import Move
from app.telemetry import metrics
from app.writes import Kinds, Writes

MERGES_MAX = 100  # one into the next
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MOVE = (0, 4, 5, 6, 7, 9)  # where a row has shop, effect, both buckets, points and effective at
_json = msgspec.json.Encoder(order="deterministic")

COLUMNS = {
    "shop": "text",
    "member_id": "bigint",
    "sequence": "bigint",
    "source": "text",
    "effect": "text",
    "from_bucket": "text",
    "to_bucket": "text",
    "points": "bigint",
    "why": "text",
    "effective_at": "timestamptz",
    "recorded_at": "timestamptz",
    "hash": "bytea",
}
MOVED = {"id": "bigint", "sequence": "bigint", "last_hash": "bytea"}


class Batch:
    """What one transaction posts, however many members it moves.

    Load: `lock` and its like, `load_lots`. Decide, in memory: `move`, `repay`, `add`, and facts
    appended. Write: `write`, once.
    """

    def __init__(self, now: datetime) -> None:
        self.now = now  # when its movements are recorded
        self.accounts: dict[int, Account] = {}  # locked, by member id
        self.by_customer: dict[Key, Account] = {}  # the same, by shop and customer id
        self.lots: dict[int, list[Lot]] = {}  # by member id: those loaded, and new ones
        self.facts: list[Event] = []  # to be told with the commit
        self.moved: dict[int, Account] = {}
        self.besides: list[Callable[[Writes], None]] = []  # what is written with it
        self._inserted: dict[str, tuple[Kinds, list[tuple[Any, ...]]]] = {}  # by table
        self._rows: list[tuple[Any, ...]] = []
        self._effects: dict[str, int] = {}
        self._buckets: set[str] = set()  # whose figures changed
        self._joined: Counter[str] = Counter()  # members made, by shop
        self._numbered: list[Account] = []  # of those, the ones still to be written

    async def lock(
        self, conn: Connection, customers: Iterable[Key] = (), ids: Iterable[int] = ()
    ) -> None:
        """Lock these members, as far as they exist, by (shop, customer id) and by id."""
        self._hold(await accounts.lock(conn, customers, ids))

    async def lock_free(self, conn: Connection, ids: Iterable[int]) -> None:
        """Lock those of these members who are neither busy nor frozen."""
        self._hold(await accounts.lock_free(conn, ids))

    async def make(self, conn: Connection, customers: Iterable[Key]) -> None:
        """Make those of these members who were not found by `lock`, and hold them like the
        others.
        """
        missing = self._missing(customers)
        if not missing:
            return
        made = await accounts.insert(conn, missing)
        self._hold(made)
        self._joined.update(account.shop for account in made)
        if raced := [key for key in missing if key not in self.by_customer]:
            await self.lock(conn, raced)

    async def number(self, conn: Connection, customers: Iterable[Key]) -> None:
        """The same, but their rows are written with the batch: once, with what it gives them. When
        somebody else makes one of them meanwhile, `write` says that it is to be tried again.
        """
        if missing := self._missing(customers):
            numbered = await accounts.number(conn, missing)
            self._hold(numbered)
            self._joined.update(account.shop for account in numbered)
            self._numbered += numbered

    async def follow_merged(self, conn: Connection) -> None:
        """Lock those whom members held here were merged into, too."""
        for _ in range(MERGES_MAX):
            after = {one.merged_into for one in self.accounts.values()}
            missing = [one for one in after if one is not None and one not in self.accounts]
            if not missing:
                return
            await self.lock(conn, ids=missing)

    def account(self, member_id: int) -> Account | None:
        """The member who has these points now: this one, or whom it was merged into."""
        found = self.accounts.get(member_id)
        while found is not None and found.merged_into is not None:
            found = self.accounts.get(found.merged_into)
        return found

    async def load_lots(self, conn: Connection, ids: Iterable[int]) -> None:
        """The lots with points left of these locked members."""
        self.lots.update(await lots.of_members(conn, list(ids)))

    def move(
        self,
        account: Account,
        source: str,
        effect: str,
        from_bucket: str,
        to_bucket: str,
        points: int,
        why: dict[str, Any],
        effective_at: datetime,
    ) -> None:
        """Move `points` (> 0) of a locked member.

        Raises FrozenError, and BrokenAccountError rather than let a balance fall below zero.
        """
        account.check_not_frozen()
        balances = account.points
        balances[from_bucket] -= points
        balances[to_bucket] += points
        if (
            points <= 0
            or (balances[from_bucket] < 0 and from_bucket not in NEGATIVE)
            or balances["debt"] > 0
        ):
            raise BrokenAccountError(
                account.id,
                f"{effect} of {points} would leave {balances[from_bucket]} in {from_bucket}",
            )
        account.sequence += 1
        row = (
            account.shop,
            account.id,
            account.sequence,
            source,
            effect,
            from_bucket,
            to_bucket,
            points,
            _json.encode(why).decode(),
            effective_at,
            self.now,
        )
        account.last_hash = sha256(account.last_hash + canonical(*row)).digest()
        self._rows.append((*row, account.last_hash))
        self.moved[account.id] = account
        self._effects[effect] = self._effects.get(effect, 0) + 1
        self._buckets.add(from_bucket)
        self._buckets.add(to_bucket)

    def add(self, lot: Lot) -> None:
        """A new lot of a locked member."""
        self.lots.setdefault(lot.member_id, []).append(lot)

    def repay(
        self, account: Account, from_lots: list[Lot], source: str, points: int, at: datetime
    ) -> None:
        """Points that have just become available pay a debt first; they leave the lots they came
        in.
        """
        owed = min(points, account.debt)
        if owed:
            lots.take(account.id, from_lots, owed)
            why = {"debt_left": account.debt - owed}
            self.move(account, source, "repay", "available", "debt", owed, why, at)

    def insert(self, table: str, kinds: Kinds, record: tuple[Any, ...]) -> None:
        """A row of another table, to be written with the movements it stands for."""
        self._inserted.setdefault(table, (kinds, []))[1].append(record)

    async def write(self, conn: Connection) -> None:
        """Lots, ledger rows, totals, balances and facts, sent together.

        A natural key that is there already (shop, source, effect) raises
        asyncpg.UniqueViolationError; a member whom somebody else has made since they were
        numbered, asyncpg.SerializationError.
        """
        writes = Writes()
        self.gather(writes)
        try:
            await writes.send(conn)
        except asyncpg.UniqueViolationError as error:
            if vars(error).get("table_name") == accounts.TABLE:
                raise asyncpg.SerializationError("a member was made twice") from error
            raise
        for effect, count in self._effects.items():
            metrics.POSTINGS.labels(effect).inc(count)

    def gather(self, writes: Writes) -> None:
        """What is to be written, for who writes more with it."""
        accounts.write(writes, self._numbered, self.now)
        touched = (lot for of_member in self.lots.values() for lot in of_member)
        lots.write(writes, touched, self.now)
        writes.insert("ledger", COLUMNS, self._rows)
        for table, (kinds, records) in self._inserted.items():
            writes.insert(table, kinds, records)
        self._update_members(writes)
        moves = (Move(*(row[place] for place in _MOVE)) for row in self._rows)
        totals.add(writes, moves, self._joined)
        for gather in self.besides:
            gather(writes)
        fact_log.add(writes, self.facts)

    def _update_members(self, writes: Writes) -> None:
        """Only the figures that changed travel: a batch of orders changes two or three of eight."""
        moved = [one for one in self.moved.values() if one.joined_at is None]
        if not moved:
            return
        buckets = sorted(self._buckets)
        kinds = MOVED | dict.fromkeys(buckets, "bigint")
        records = [
            (
                one.id,
                one.sequence,
                one.last_hash,
                *map(one.shown, buckets),
            )
            for one in moved
        ]
        figures = ", ".join(f"{bucket} = fresh.{bucket}" for bucket in buckets)
        writes.add(
            f"UPDATE members SET {figures}, sequence = fresh.sequence,"
            f" last_hash = fresh.last_hash, updated_at = {writes.value(self.now, 'timestamptz')}"
            f" FROM {writes.rows('fresh', kinds, records)} WHERE members.id = fresh.id"
        )

    def _missing(self, customers: Iterable[Key]) -> list[Key]:
        return [key for key in dict.fromkeys(customers) if key not in self.by_customer]

    def _hold(self, found: Iterable[Account]) -> None:
        for account in found:
            self.accounts[account.id] = account
            self.by_customer[account.key] = account


def canonical(
    shop: str,
    member_id: int,
    sequence: int,
    source: str,
    effect: str,
    from_bucket: str,
    to_bucket: str,
    points: int,
    why: str,
    effective_at: datetime,
    recorded_at: datetime,
) -> bytes:
    """The bytes of a row that the hash chain covers (see the top of this module)."""
    return _json.encode(
        (
            shop,
            member_id,
            sequence,
            source,
            effect,
            from_bucket,
            to_bucket,
            points,
            why,
            microseconds(effective_at),
            microseconds(recorded_at),
        )
    )


def microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND
