"""Writes of one transaction sent together: every trip to Postgres costs what ten rows do."""

from collections.abc import Iterable, Sequence
from typing import Any

from app.db import Connection

# From so many rows on they are copied: that saves a tenth of what inserting one costs.
COPIED_FROM = 50
NUMBERS = frozenset({"bigint", "int"})
# By the columns' names, what Postgres is told of the values.
Kinds = dict[str, str]


def numbers(column: Iterable[int | None]) -> str:
    """An array of numbers as Postgres reads it from text."""
    return f"{{{str([*column])[1:-1].replace('None', 'NULL')}}}"


class Writes:
    """Statements gathered, then sent as one. None of them sees what another one writes."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.values: list[Any] = []
        self.copies: list[tuple[str, Kinds, Sequence[Sequence[Any]]]] = []

    def value(self, value: Any, kind: str) -> str:
        """How a statement names a value of its own."""
        self.values.append(value)
        return f"${len(self.values)}::{kind}"

    def numbers(self, column: Iterable[int | None], kind: str) -> str:
        """An array as text: of one that is a list the driver looks at each element thrice."""
        return f"{self.value(numbers(column), 'text')}::{kind}[]"

    def rows(self, name: str, kinds: Kinds, records: Iterable[Sequence[Any]]) -> str:
        """What a statement writes after FROM to have `records` as a table of this name."""
        columns = zip(*records, strict=True)
        arrays = [
            self.numbers(column, kind) if kind in NUMBERS else self.value([*column], f"{kind}[]")
            for kind, column in zip(kinds.values(), columns, strict=True)
        ]
        return f"unnest({', '.join(arrays)}) AS {name} ({', '.join(kinds)})"

    def add(self, statement: str) -> None:
        """An INSERT, UPDATE or DELETE, its values named by `value` and `rows`."""
        self.statements.append(statement)

    def insert(self, table: str, kinds: Kinds, records: Sequence[Sequence[Any]]) -> None:
        """New rows of `table`."""
        if len(records) >= COPIED_FROM:
            self.copies.append((table, kinds, records))
        elif records:
            names = ", ".join(kinds)
            fresh = self.rows("fresh", kinds, records)
            self.add(f"INSERT INTO {table} ({names}) SELECT {names} FROM {fresh}")

    async def send(self, conn: Connection) -> None:
        """Send what was gathered, in the transaction open on `conn`. Raises asyncpg's errors."""
        for table, kinds, records in self.copies:
            await conn.copy_records_to_table(table, records=records, columns=list(kinds))
        if self.statements:
            *others, last = self.statements
            parts = [f"w{number} AS ({one})" for number, one in enumerate(others)]
            await conn.execute(f"WITH {', '.join(parts)} {last}" if parts else last, *self.values)
