"""JSON logs on stdout with bound context, for our own lines and those of libraries."""

import logging
import sys
from typing import Any

import msgspec
import structlog

from app.config import Config
from app.telemetry import reports
from app.telemetry.redaction import redact


def setup(process: str, config: Config) -> None:
    """Call once at the start of a process: logs to stdout from here on, Sentry and PostHog when
    their keys are set.
    """
    level = logging.getLevelNamesMapping().get(config.log_level.upper(), logging.INFO)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        reports.to_sentry,
        structlog.processors.format_exc_info,
        redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(serializer=_json)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(sys.stdout.buffer),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
    _adopt_stdlib(shared, level)
    reports.start(process, config)


def logger() -> structlog.typing.FilteringBoundLogger:
    """A logger; request_id, shop and event_id come from
    `structlog.contextvars.bind_contextvars`.
    """
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return log


def _json(event: Any, **_: Any) -> bytes:
    return msgspec.json.encode(event, enc_hook=repr)


def _adopt_stdlib(shared: list[Any], level: int) -> None:
    """Libraries log through `logging`: the same JSON, and their chatter only from WARNING up."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_logger_name,
                *(step for step in shared if step is not reports.to_sentry),
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact,
                structlog.processors.JSONRenderer(
                    serializer=lambda event, **_: _json(event).decode()
                ),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in (
        "httpx",
        "httpcore",
        "asyncio",
        "tortoise",
        "uvicorn.access",
        "arq.worker",
        "posthog",
        "backoff",
    ):
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    logging.captureWarnings(capture=True)
