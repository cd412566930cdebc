"""How reconciliation looks at a time: how wide, how often, how fast; pure."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

OVERLAP = timedelta(minutes=15)  # on both sides: clocks differ, and deliveries take their time
WINDOW_MAX = timedelta(days=60)  # an app sees no older orders, unless it may see all
FIRST_ROUND = timedelta(days=1)  # what the first round of a shop looks back at most
# of the time between two rounds: that long the index of Shopify may be behind; and so soon it is
# looked once more, for that index and for what was told meanwhile
SETTLED_PART, AGAIN_PART = 360, 36
LOOKS_MAX = 8
PARTS = ("orders", "customers", "shop")  # in this order
ROUND = "round"  # the name of the look that comes again and again
BACKOFF_SECONDS, BACKOFF_SECONDS_MAX = 15.0, 3600.0  # doubled each time
LEAST = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Look:
    """A look at what changed in a shop between two moments, and how far it has come."""

    shop: str
    since: datetime
    until: datetime
    part: str = PARTS[0]
    cursor: str | None = None
    found: int = 0  # orders that changed in that time
    told: int = 0  # of those, what was not known here and is told again
    others: int = 0  # customers, their words on e-mails, the shop: told again
    waiting: int = 0  # told before, and still in the lane
    asked: set[str] = field(default_factory=set)  # ids told in this look, not to be asked again

    def next_part(self) -> bool:
        """Go on with what is looked at next; False when that was all."""
        place = PARTS.index(self.part) + 1
        self.cursor = None
        if place == len(PARTS):
            return False
        self.part = PARTS[place]
        return True

    @property
    def news(self) -> int:
        return self.told + self.others + self.waiting


@dataclass(slots=True)
class Known:
    """What is known here by number: as of when an order, a customer and their word on e-mails."""

    orders: dict[int, datetime] = field(default_factory=dict)
    customers: dict[int, datetime] = field(default_factory=dict)
    consents: dict[int, datetime] = field(default_factory=dict)


def hears(known: dict[int, datetime], number: int, at: datetime) -> None:
    known[number] = max(known.get(number, LEAST), at)


def is_known(known: Mapping[int, datetime], number: int, at: datetime) -> bool:
    return known.get(number, LEAST) >= at


def spread_seconds(shop: str, every_seconds: float) -> float:
    """When in a round's time a shop has its turn: always the same, and another one for each."""
    return zlib.crc32(f"round:{shop}".encode()) % 10_000 / 10_000 * every_seconds


def backoff_seconds(tries: int) -> float:
    return float(min(BACKOFF_SECONDS * 2 ** min(tries, 20), BACKOFF_SECONDS_MAX))


def settled_seconds(every_seconds: float) -> float:
    """How old a change is before it is looked for, so that webhooks have come and searches know."""
    return every_seconds / SETTLED_PART


def again_seconds(every_seconds: float) -> float:
    return every_seconds / AGAIN_PART


def is_settled(name: str, looks: int, news: int) -> bool:
    """Whether a time needs no further look: the last one told nothing. What was lost once is looked
    at twice all the same, for the index may have been behind.
    """
    return news == 0 and looks >= (1 if name == ROUND else 2)


def webhook_id(kind: str, number: int, at: datetime) -> str:
    """The id under which a state is told: the same however often it is found."""
    return f"reconciled-{kind}-{number}-{int(at.timestamp())}"


def shop_webhook_id(number: int, said: Sequence[str], today: datetime) -> str:
    """The same for what a shop says of itself on a day: much else moves the time of its change."""
    digest = zlib.crc32("\0".join(said).encode())
    return f"reconciled-shop-{number}-{digest:08x}-{today:%Y%m%d}"


def moment(said: str) -> datetime:
    return datetime.fromisoformat(said).astimezone(UTC)


def stamp(at: datetime) -> str:
    """As a search wants it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
