"""A webhook of a lane and what becomes of it: facts, or the reason why not."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

import msgspec

from app import db
from app.errors import BadInputError, HoldfastError
from app.flow import due_letters
from app.flow.lanes import bodies, lane
from app.flow.lanes.lane import LaneItem
from app.telemetry import carriers, logs

# what Shopify says of the installation itself counts whether or not we know the shop
ALWAYS_FACTS = frozenset(
    {"app/uninstalled", "customers/data_request", "customers/redact", "shop/redact"}
)
# What is sold between the installation and the first opening of the app counts once it is opened.
UNOPENED_KEPT_SECONDS = 30 * 86_400.0
UNOPENED_MAX = 10_000  # a shop
log = logs.logger()
_versions_noticed: set[str] = set()


class Fact(Protocol):
    """What a translation gives: topic and data of an event, and when it happened (ISO 8601),
    where that is told.
    """

    @property
    def topic(self) -> str: ...
    @property
    def data(self) -> dict[str, Any]: ...
    @property
    def occurred_at(self) -> str | None: ...


Translate = Callable[
    [LaneItem], Sequence[Fact]
]  # none for an unknown topic; raises when it cannot be done


class UnopenedError(HoldfastError):
    """Nobody has opened the app in this shop yet: it waits until somebody does."""

    code = "unopened"
    waits_seconds = 3600.0  # and the first opening does not wait for that

    def __init__(self) -> None:
        super().__init__("The app has not been opened in this shop yet.")


class NeverOpenedError(HoldfastError):
    """Nobody opened the app in this shop for a month."""

    permanent, code = True, "never_opened"

    def __init__(self) -> None:
        super().__init__("The app was not opened in this shop for a month.")


@dataclass(slots=True)
class Translation:
    """A webhook and what becomes of it: `facts`, `recorded` (not a shop of ours), `unknown`
    (topic) or `dead` (set aside).
    """

    item: LaneItem
    encoded: bytes
    outcome: str
    facts: Sequence[Fact] = ()
    error: Exception | None = None


def of(shop: str, encoded: bytes, translate: Translate, *, is_known: bool) -> Translation:
    try:
        item = lane.decode_item(encoded)
    except msgspec.DecodeError:
        broken = LaneItem(
            int(time.time() * 1000),
            shop,
            "unreadable",
            sha256(encoded).hexdigest(),
            "",
            "",
            "",
            "",
            b"",
        )
        return Translation(
            broken, encoded, "dead", error=BadInputError("What waited in the lane is no webhook.")
        )
    try:
        facts = translate(item)
    except Exception as error:  # noqa: BLE001 - one merchant's poison; it becomes a dead letter with this reason
        if not is_known:
            return Translation(item, encoded, "recorded")
        return Translation(item, encoded, "dead", error=error)
    if facts and not is_known and item.topic not in ALWAYS_FACTS:
        log.info(
            "webhook of a shop that has not opened the app",
            shop=shop,
            topic=item.topic,
            request_id=carriers.request_id_of(item.request_id),
        )
        is_over = item.received_ms < (time.time() - UNOPENED_KEPT_SECONDS) * 1000
        waits = NeverOpenedError() if is_over else UnopenedError()
        return Translation(item, encoded, "dead", error=waits)
    return Translation(item, encoded, "facts" if facts else "unknown", facts)


async def bound_unopened(translations: Sequence[Translation]) -> None:
    """Of a shop that has not opened the app so many webhooks are kept, and no more."""
    unopened = [one for one in translations if isinstance(one.error, UnopenedError)]
    if not unopened:
        return
    async with db.connection() as connection:
        shops = {one.item.shop for one in unopened}
        kept = await due_letters.waiting_of(connection, sorted(shops), UNOPENED_MAX)
    for one in unopened:
        kept[one.item.shop] += 1
        if kept[one.item.shop] > UNOPENED_MAX:
            one.outcome, one.error = "recorded", None


async def set_foreign_aside(stores: db.Stores, translations: Sequence[Translation]) -> None:
    """Of what would become facts, now or once the app is opened: a body that came for another shop
    before is not this one's.
    """
    asked = [one for one in translations if one.facts or isinstance(one.error, UnopenedError)]
    said = await bodies.foreign(stores.cache, [one.item for one in asked])
    for one, is_foreign in zip(asked, said, strict=True):
        if is_foreign:
            one.outcome, one.facts = "dead", ()
            one.error = bodies.ForeignBodyError()


def notice_versions(translations: Sequence[Translation], expected: str) -> None:
    """Shopify falls forward to a newer version when ours is retired: say so, once a
    version.
    """
    strange = (
        {translation.item.api_version for translation in translations}
        - _versions_noticed
        - {expected, ""}
    )
    for version in strange:
        _versions_noticed.add(version)
        log.warning("webhooks of another API version", version=version, expected=expected)
