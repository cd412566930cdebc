"""JSON logs on stdout with bound context, for our own lines and those of libraries."""

import logging
import os
import sys
from typing import Any

import msgspec
import structlog

from app.config import Config
from app.telemetry import reports, traces
from app.telemetry.outlet import Outlet
from app.telemetry.redaction import redact


def setup(process: str, config: Config) -> None:
    """Call once at the start of a process: logs to stdout from here on, Sentry and PostHog when
    their keys are set.

    Lines are written by a thread of their own: a stdout that is closed, full or read by nobody
    costs lines, which are counted, and never the caller's time.
    """
    global _outlet  # noqa: PLW0603 - one stdout a process
    level = logging.getLevelNamesMapping().get(config.log_level.upper(), logging.INFO)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        traces.add_ids,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        reports.to_sentry,
        structlog.processors.format_exc_info,
        redact,
    ]
    _outlet = Outlet(_stdout(), lambda count: _dropped(process, count))
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(serializer=_json)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_Logger,
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process, release=config.release)
    _adopt_stdlib(shared, level)
    reports.start(process, config)


def logger() -> structlog.typing.FilteringBoundLogger:
    """A logger; request_id, shop and event_id come from
    `structlog.contextvars.bind_contextvars`.
    """
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return log


def flush() -> None:
    """Wait until what was logged is written, for at most two seconds; for an end without
    `atexit`.
    """
    if _outlet is not None:
        _outlet.flush()


_outlet: Outlet | None = None


class _Logger:
    """What structlog calls with a rendered line, whatever its level."""

    def __init__(self, *_: Any) -> None:
        pass

    def msg(self, line: bytes) -> None:
        _put(line)

    debug = info = warning = error = critical = exception = fatal = log = msg


class _Handler(logging.Handler):
    """The same for the lines of libraries."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record).encode(errors="replace")
        except Exception as error:  # noqa: BLE001 - a library's odd line must not end what it does
            line = _json({"event": "log line not understood", "reason": repr(error)})
        _put(line)


def _put(line: bytes) -> None:
    if _outlet is not None:
        _outlet.put(line + b"\n")


def _stdout() -> int | None:
    """A descriptor of our own: nobody who closes stdout lets our lines go where its number goes
    next.
    """
    try:
        return os.dup(sys.stdout.fileno())
    except (AttributeError, OSError, ValueError):  # closed from the start, or replaced
        return None


def _dropped(process: str, count: int) -> bytes:
    what = f"{count} lines dropped"
    return _json({"process": process, "level": "warning", "event": what, "dropped": count}) + b"\n"


def _json(event: Any, **_: Any) -> bytes:
    try:
        return msgspec.json.encode(event, enc_hook=repr)
    except Exception as error:  # noqa: BLE001
        # a value that cannot even be shown costs its line, not the caller's work
        what = str(event.get("event")) if isinstance(event, dict) else "log line not understood"
        return msgspec.json.encode({"event": what, "reason": type(error).__name__})


def _adopt_stdlib(shared: list[Any], level: int) -> None:
    """Libraries log through `logging`: the same JSON, and their chatter only from WARNING up."""
    handler = _Handler()
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
