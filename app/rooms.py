"""The rooms of a process: who may hold how many connections to Postgres, and for how long.

The one table of it. A room's connections are also its tickets, so that no guarded call ever holds
a ticket and waits for a connection, and nobody takes a connection from another room.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

STATEMENT_SECONDS = 5.0
# Readers of the log wait behind the oldest transaction that writes, so none of ours is open for
# ever. Silence in a transaction ends it sooner, but not one whose client stopped after half of a
# statement.
CALL_TRANSACTION_SECONDS, BATCH_TRANSACTION_SECONDS = 10.0, 60.0
PAGE_READ_SECONDS = 0.3  # a page that waits longer for one of its parts is a slow page


@dataclass(frozen=True, slots=True)
class Room:
    """Connections to Postgres that nobody outside the room can take.

    Whoever finds them all taken waits `wait_seconds` at most. A guarded call has
    `deadline_seconds`, each of its statements `statement_seconds` (None: as long as it takes, its
    transaction too), its transaction `transaction_seconds`.
    `plans`: `fresh` plans each statement for its own shop, `kept` once for all.
    """

    name: str
    connections: int
    wait_seconds: float
    deadline_seconds: float
    plans: Literal["fresh", "kept"]
    statement_seconds: float | None = STATEMENT_SECONDS
    transaction_seconds: float = CALL_TRANSACTION_SECONDS


#                    name        connections  wait  deadline            plans    statement
STOREFRONT = Room("storefront", 6, 0.1, PAGE_READ_SECONDS, "kept")
HOLDS = Room("holds", 6, 2.0, 4.0, "kept")
COMPLETIONS = Room("completions", 6, 0.5, 4.0, "kept")
ADMIN = Room("admin", 8, PAGE_READ_SECONDS, PAGE_READ_SECONDS, "fresh")
OPENINGS = Room("openings", 2, 0.5, 3.0, "fresh")
CHANGES = Room("changes", 3, 1.0, 5.0, "fresh")
SPILL = Room("spill", 2, 1.0, 2.0, "kept")
HEALTH = Room("health", 2, 0.3, 0.9, "kept")  # below the second a load balancer waits
# whoever is in no other
WORK = Room("work", 8, 1.0, 5.0, "kept", transaction_seconds=BATCH_TRANSACTION_SECONDS)
TIMED = Room("timed", 3, 1.0, 5.0, "kept", transaction_seconds=BATCH_TRANSACTION_SECONDS)
LETTERS = Room("letters", 2, 1.0, 5.0, "kept", transaction_seconds=BATCH_TRANSACTION_SECONDS)
AUDIT = Room("audit", 4, 1.0, 3_600.0, "fresh", statement_seconds=None)
RELEASE = Room("release", 2, 1.0, 3_600.0, "fresh", statement_seconds=None)

# what each kind of process uses; their sum is what one process can ask of Postgres
WEB = (STOREFRONT, HOLDS, COMPLETIONS, ADMIN, OPENINGS, CHANGES, SPILL, HEALTH)
WORKER = (WORK, TIMED, LETTERS, HEALTH)
COMMANDS = (AUDIT, RELEASE)
ROOMS = {room.name: room for room in (*WEB, *WORKER, *COMMANDS)}

current: ContextVar[Room] = ContextVar("room", default=WORK)


@contextmanager
def inside(room: Room) -> Iterator[None]:
    """Whatever asks Postgres in here takes a connection of `room`."""
    token = current.set(room)
    try:
        yield
    finally:
        current.reset(token)


def connections_max(webs: int, workers: int) -> int:
    """How many connections so many processes hold at most, a command of each kind beside them, and
    the daily verification.
    """
    per_web, per_worker, per_command = (
        sum(room.connections for room in rooms) for rooms in (WEB, WORKER, COMMANDS)
    )
    return webs * per_web + workers * per_worker + per_command + AUDIT.connections
