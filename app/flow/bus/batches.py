"""A batch of facts: how far it reaches, what became of it, and what is set aside of it."""

import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field

from app.db import Connection
from app.flow import dead_letters
from app.flow import event as envelope
from app.flow.bus.interface import Entry, Head, Place
from app.flow.dead_letters import AfterCommit, Letter
from app.flow.event import BadEventError, BadSignatureError, Event
from app.resilience import failures
from app.telemetry import logs, metrics, traces

BATCH_BYTES_MAX = 8 * 1024 * 1024
# a batch that waited for a lock is halved to find whose; what nobody holds does not wait so long
LOCK_WAIT_WHILE_HALVING = "SET LOCAL lock_timeout = '100ms'"

Handle = Callable[[Connection, list[Event]], Awaitable[AfterCommit | None]]
HandleInto = Callable[[Connection, list[Event], "Outcome"], Awaitable[None]]
log = logs.logger()


@dataclass(slots=True)
class Outcome:
    """What became of a batch: how many events were handled, and what follows its commit."""

    handled: int = 0
    set_aside: int = 0
    after_commit: list[AfterCommit] = field(default_factory=list)
    received_ms: int = 0  # when the oldest webhook came whose fact was handled

    def count(self, events: Sequence[Event]) -> None:
        """These were handled."""
        self.handled += len(events)
        came = [event.received_ms for event in events if event.received_ms]
        if came:
            self.received_ms = min(*came, self.received_ms or came[0])

    def tell(self, service: str) -> None:
        """Count it all, once it is committed and can be seen."""
        if self.handled:
            metrics.CONSUMED.labels(service, "handled").inc(self.handled)
        if self.set_aside:
            metrics.CONSUMED.labels(service, "failed").inc(self.set_aside)
        if self.received_ms:
            seconds = max(0.0, time.time() - self.received_ms / 1000)
            metrics.EFFECT_SECONDS.labels(service).observe(seconds)


def choose(found: Sequence[Head], turn: int, facts_max: int) -> list[Place]:
    """How far to read, partition by partition, until the batch is full.

    Begins elsewhere each `turn`: no partition is last for ever, and two readers seldom meet.
    """
    parts = sorted({head.place.part for head in found})
    order = parts[turn % len(parts) :] + parts[: turn % len(parts)] if parts else []
    until: dict[int, Place] = {}
    count = size = 0
    for part in order:
        for head in found:
            if head.place.part != part:
                continue
            if head.wanted:
                if until and (count + head.facts > facts_max or size > BATCH_BYTES_MAX):
                    return list(until.values())
                count, size = count + head.facts, size + head.size
            until[part] = head.place
    return list(until.values())


async def current(
    connection: Connection,
    service: str,
    topics: Collection[str],
    found: Sequence[Event],
    outcome: Outcome,
) -> list[Event]:
    """Those of `topics`, in the shape this program knows."""
    events = []
    for event in found:
        if event.topic not in topics:
            continue
        try:
            events.append(envelope.upcast(event))
        except BadEventError as error:
            await set_event_aside(connection, service, error, outcome, event)
    return events


async def set_entry_aside(
    connection: Connection, service: str, error: Exception, outcome: Outcome, entry: Entry
) -> None:
    """Keep an entry that is badly signed or unreadable; what it says of itself is not to be
    believed, so it is shown to no shop.
    """
    proof = f"{entry.name} {entry.signed_at} {entry.signature}".replace("\x00", "")
    reference = f"{entry.place.part}@{entry.place.tx}.{entry.place.id}"
    await set_aside(
        connection, service, error, outcome, "", "entry", reference, entry.body, proof=proof
    )


async def set_event_aside(
    connection: Connection, service: str, error: Exception, outcome: Outcome, event: Event
) -> None:
    """Keep an event that failed as a dead letter, with a line that says why."""
    if not dead_letters.is_waiting(error):
        traces.failed(f"{service} {event.topic}", event.trace, error)
    with traces.bound(event.trace, event_id=event.id, shop=event.shop):
        if not failures.is_permanent(error) and not dead_letters.is_waiting(error):
            log.warning("event failed", service=service, topic=event.topic, exc_info=error)
        await set_aside(
            connection,
            service,
            error,
            outcome,
            event.shop,
            event.topic,
            event.id,
            envelope.encode(event),
        )


async def set_aside(
    connection: Connection,
    service: str,
    error: Exception,
    outcome: Outcome,
    shop: str,
    topic: str,
    reference: str,
    body: bytes,
    *,
    proof: str = "",
) -> None:
    """Keep what cannot be handled as a dead letter, and count it."""
    await dead_letters.add(
        connection,
        error,
        service=service,
        shop=shop,
        topic=topic,
        reference=reference,
        payload=body,
        proof=proof,
    )
    if isinstance(error, BadSignatureError):
        metrics.CONSUMED.labels(service, "rejected").inc()
    else:
        outcome.set_aside += 1


def verify(entry: Entry, secrets: Sequence[str]) -> None:
    """Raises BadSignatureError for an entry that nobody who knows one of `secrets` signed."""
    envelope.verify(entry.name, entry.signed_at, entry.body, entry.signature, secrets)


def events_of(letter: Letter, topics: Collection[str], secrets: Sequence[str]) -> list[Event]:
    """The events of what was set aside: one, or those of an entry that was badly signed. Raises
    BadEventError while it still is.
    """
    if letter.proof:
        name, signed_at, signature = letter.proof.split(" ", 2)
        envelope.verify(name, int(signed_at), letter.payload, signature, secrets)
        found = [envelope.upcast(event) for event in envelope.unpack(letter.payload)]
    else:
        found = [envelope.decode(letter.payload)]
    events = [event for event in found if event.topic in topics]
    traces.gather(event.trace for event in events)
    return events
