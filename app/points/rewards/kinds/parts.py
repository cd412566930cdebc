"""What the kinds of rewards share: a redemption whose turn we have, and what Shopify has of it."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from app.errors import HoldfastError, RefusedError
from app.points.rewards.rules import Details

# runs a document of ours in the redemption's shop with these variables
Ask = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
TITLE_LENGTH_MAX = 80


class SpentError(RefusedError):
    """What was made was used already, and cannot be taken back."""

    code = "code_used"

    def __init__(self) -> None:
        super().__init__("The code was used already; its points stay spent.")


class Lease(NamedTuple):
    """A redemption whose turn we have; `tries_sent` counts calls that may have reached Shopify to
    make something, the one of this turn among them.
    """

    id: UUID
    shop: str
    customer_id: str
    title: str
    kind: str
    amount_off: Decimal
    details: Details
    ends_at: datetime | None
    code: str
    state: str
    attempts: int
    tries_sent: int
    give_up_at: datetime
    created_at: datetime
    request_id: str  # of who asked for it, or its trace
    taking_back_at: datetime | None = None  # since then we may have asked to take it back
    taking_back_after: str = ""  # the newest thing of its kind that was there before we asked
    taken_gid: str = ""  # what took it back, where that has an id of its own
    taken_by_others: Sequence[str] = ()  # the same of the customer's other redemptions

    @property
    def name(self) -> str:
        """How a merchant finds it at Shopify; the id in it proves that it is ours."""
        return f"{self.title[:TITLE_LENGTH_MAX]} (Holdfast {self.id})"

    @property
    def customer_gid(self) -> str:
        return f"gid://shopify/Customer/{self.customer_id}"


class Found(NamedTuple):
    """What Shopify has; `gid` is its id there, `newest` that of the newest thing beside it, and
    `taken_gid` that of what took it back.
    """

    gid: str
    is_ours: bool
    is_active: bool
    uses: int = 0
    newest: str = ""
    taken_gid: str = ""


class Wish(NamedTuple):
    """What to send: a document, its variables, its field that answers, and in that the object that
    is made.
    """

    document: str
    variables: dict[str, Any]
    answer: str
    made: str


class Kind(Protocol):
    """The same three functions of every kind, and how long a call whose answer was lost may still
    do its work: 0 where a second one finds the first by its key.
    """

    SETTLES_SECONDS: float

    def send(self, lease: Lease) -> Wish:
        """What to ask Shopify for."""

    async def find(self, ask: Ask, lease: Lease) -> Found | None:
        """What Shopify has made of this redemption, or what stands in its place."""

    async def take_back(self, ask: Ask, lease: Lease, found: Found) -> str:
        """Make it worthless; the id of what does so, where it has one. Raises SpentError when it
        was used.
        """


def money(lease: Lease) -> dict[str, str]:
    """A MoneyInput of what it is worth."""
    return {"amount": str(lease.amount_off), "currencyCode": lease.details.currency}


def check(answer: dict[str, Any], what: str) -> None:
    """Raises HoldfastError for the first user error of an answer."""
    if errors := answer.get("userErrors"):
        raise HoldfastError(f"Shopify did not {what}: {errors[0].get('message', '')}")
