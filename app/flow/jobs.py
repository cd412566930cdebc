"""Enqueues jobs on arq as signed JSON; with worker.py the only place that knows arq."""

import hmac
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from arq.connections import ArqRedis

from app import db, redises
from app.config import Config
from app.errors import HoldfastError
from app.telemetry import traces

# arq forgets a payload after 24 h by default: a service down over a weekend would lose its queue
EXPIRES_EXTRA_MILLISECONDS = 7 * 24 * 3600 * 1000
CONNECTIONS_MAX = 16
TIMEOUT_SECONDS = 5.0
SIGNATURE_LENGTH = 64  # hex of a SHA-256
PURPOSE = b"holdfast.job."  # keeps a signed event from passing for a job

Pool = ArqRedis  # what `pool` returns, for annotations outside this file


class BadJobError(HoldfastError):
    """A job payload that nobody who knows an event secret wrote (permanent)."""

    status, permanent, code = 400, True, "bad_job"


def codec(
    current: Callable[[], Sequence[str]],
) -> tuple[Callable[[Any], bytes], Callable[[bytes], Any]]:
    """The serializer and deserializer arq is given: `<hex HMAC-SHA256><JSON>`; the first of the
    secrets there are at that moment signs, all verify.

    The deserializer raises BadJobError for a payload that was tampered with; arq drops that job and
    logs it.
    """
    if not current():
        raise ValueError("Jobs cannot be signed without EVENT_SECRETS.")

    def keys() -> list[bytes]:
        return [PURPOSE + secret.encode() for secret in current()]

    def dump(value: Any) -> bytes:
        body = msgspec.json.encode(value, enc_hook=repr)  # results hold exceptions
        return hmac.digest(keys()[0], body, "sha256").hex().encode() + body

    def load(payload: bytes) -> Any:
        signature, body = payload[:SIGNATURE_LENGTH], payload[SIGNATURE_LENGTH:]
        if not any(
            hmac.compare_digest(hmac.digest(key, body, "sha256").hex().encode(), signature)
            for key in keys()
        ):
            raise BadJobError(
                "The job is not signed by a secret this program knows; it was refused."
            )
        return msgspec.json.decode(body)

    return dump, load


def pool(config: Config) -> ArqRedis:
    """A client for `enqueue`; it connects on first use, so a process starts while Redis is
    down. Close with aclose.
    """
    dump, load = codec(lambda: config.event_secrets)
    connections = redises.pool(
        redises.WaitingConnections,
        config.redis_url,
        TIMEOUT_SECONDS,
        max_connections=CONNECTIONS_MAX,
        timeout=TIMEOUT_SECONDS,
    )
    client = ArqRedis(
        connections,
        job_serializer=dump,
        job_deserializer=load,
        expires_extra_ms=EXPIRES_EXTRA_MILLISECONDS,
    )
    client.auto_close_connection_pool = True  # the pool is ours alone
    return client


def sharing(stores: db.Stores) -> ArqRedis:
    """A client for `enqueue` on the connections `stores` already has; nothing to close."""
    dump, load = codec(lambda: stores.config.event_secrets)
    return ArqRedis(
        stores.queue.connection_pool,
        job_serializer=dump,
        job_deserializer=load,
        expires_extra_ms=EXPIRES_EXTRA_MILLISECONDS,
    )


async def enqueue(
    pool: ArqRedis,
    queue: str,
    function: str,
    *args: Any,
    job_id: str | None = None,
    defer_until: datetime | None = None,
) -> bool:
    """Have a worker of `queue` (such as `arq:ingest`) call `function` with JSON-able `args`, now or
    at `defer_until`.

    `job_id` is made unique within the queue (arq's own ids span all queues); False when that job
    already waits or runs. The request id of the caller, or its trace, goes along and is bound to
    the job's log lines. Raises redis errors.
    """
    job = await pool.enqueue_job(
        function,
        *args,
        _job_id=f"{queue}:{job_id}" if job_id else None,
        _queue_name=queue,
        _defer_until=defer_until.astimezone(UTC) if defer_until else None,
        request_id=traces.carrier(),
    )
    return job is not None
