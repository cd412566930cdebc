"""Brings what the release before this one kept in its outbox and on Redis Streams into the log."""

from collections.abc import Sequence
from typing import Any

import redis.asyncio as aioredis

from app import config as settings
from app import db
from app.db import Connection
from app.flow import event as envelope
from app.flow.bus import log as fact_log
from app.flow.event import BadEventError, Event
from app.services import SERVICES
from app.telemetry import logs

STREAMS = "bus:"
STEP = 1_000
IS_THERE = "SELECT to_regclass('outbox') IS NOT NULL"
WAS_USED = "SELECT EXISTS (SELECT FROM outbox) OR EXISTS (SELECT FROM consumed)"
OUTBOX = "SELECT body FROM outbox ORDER BY id"
CONSUMED = "SELECT event_id, service FROM consumed WHERE event_id = ANY($1::text[])"
log = logs.logger()


async def carry_over(connection: Connection, config: settings.Config) -> int:
    """Write into the log what some service has not consumed; how many facts that were.

    Runs in the transaction open on `connection`, which also drops both tables: it happens once, or
    not at all. An event that one service has had and another has not is read by both, and natural
    keys make it nothing for the one. Raises RedisError while Redis, where the streams are, is away.
    """
    if not await connection.fetchval(IS_THERE):
        return 0
    await connection.execute("LOCK TABLE outbox, consumed IN ACCESS EXCLUSIVE MODE")
    carried = 0
    if await connection.fetchval(WAS_USED):
        streams = await _on_streams(connection, config)
        waiting = [
            event
            for row in await connection.fetch(OUTBOX)
            if (event := _readable(row["body"])) is not None
        ]
        # what is on a stream and still in the outbox was published and not yet deleted: once
        events = list({event.id: event for event in (*streams, *waiting)}.values())
        for start in range(0, len(events), STEP):
            await fact_log.append(connection, events[start : start + STEP])
        carried = len(events)
        log.info("carried over into the log", facts=carried)
    await connection.execute("DROP TABLE outbox, consumed")
    return carried


async def forget_streams(config: settings.Config) -> None:
    """Delete the streams, after the commit that brought their events over."""
    client = db.redis_client(config.redis_url)
    try:
        async for key in client.scan_iter(match=STREAMS + "*", count=1_000, _type="STREAM"):
            await client.delete(key)
    finally:
        await client.aclose()


async def _on_streams(connection: Connection, config: settings.Config) -> list[Event]:
    """Events of the streams that a service which reads their topic has not consumed, the oldest
    first.
    """
    readers = {topic: [one.name for one in SERVICES if topic in one.topics] for topic in _topics()}
    client = db.redis_client(config.redis_url)
    found: list[tuple[tuple[int, ...], Event]] = []
    try:
        for topic, services in readers.items():
            after = "-"
            while entries := await _entries(client, topic, after):
                after = f"({entries[-1][0].decode()}"
                events = [
                    (_position(position), event)
                    for position, values in entries
                    if (event := _signed(values, config.event_secrets)) is not None
                ]
                had = await _consumed(connection, [event.id for _, event in events])
                found += [
                    (position, event)
                    for position, event in events
                    if any((event.id, service) not in had for service in services)
                ]
    finally:
        await client.aclose()
    return [event for _, event in sorted(found, key=lambda one: one[0])]


def _topics() -> list[str]:
    return sorted({topic for one in SERVICES for topic in one.topics})


async def _entries(client: aioredis.Redis, topic: str, after: str) -> list[Any]:
    found: list[Any] = await client.xrange(STREAMS + topic, after, "+", count=STEP)
    return found


def _position(position: bytes) -> tuple[int, ...]:
    return tuple(int(part) for part in position.split(b"-"))


async def _consumed(connection: Connection, ids: list[str]) -> set[tuple[str, str]]:
    rows = await connection.fetch(CONSUMED, ids)
    return {(row["event_id"], row["service"]) for row in rows}


def _signed(values: dict[bytes, bytes], secrets: Sequence[str]) -> Event | None:
    try:
        name, signed_at = values[b"i"].decode(), int(values[b"t"])
        envelope.verify(name, signed_at, values[b"b"], values[b"s"].decode(), secrets)
    except (KeyError, ValueError, BadEventError):
        log.warning("an entry of a stream is not signed by us; it is left behind")
        return None
    return _readable(values[b"b"])


def _readable(body: bytes) -> Event | None:
    try:
        return envelope.parse(body)
    except BadEventError:
        log.warning("what stood in the outbox is no event; it is left behind")
        return None
