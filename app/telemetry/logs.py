"""JSON logs on stdout with bound context, for our own lines and those of libraries."""

import logging
import os
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import structlog

from app.config import Config
from app.telemetry import reports, traces
from app.telemetry.outlet import Outlet
from app.telemetry.redaction import redact

# where a level wanted for a while stands in Redis, for every process to find with its next beat
LEVEL_KEY = "log level"
# libraries that say more than anybody wants to know: heard from WARNING up
CHATTY = (
    "httpx",
    "httpcore",
    "asyncio",
    "tortoise",
    "uvicorn.access",
    "arq.worker",
    "posthog",
    "backoff",
)
NUMBERS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "exception": logging.ERROR,
    "critical": logging.CRITICAL,
    "fatal": logging.CRITICAL,
}


def setup(process: str, config: Config) -> None:
    """Call once at the start of a process: logs to stdout from here on, Sentry and PostHog when
    their keys are set.

    Lines are written by a thread of their own: a stdout that is closed, full or read by nobody
    costs lines, which are counted, and never the caller's time.
    """
    global _outlet, _configured  # noqa: PLW0603 - one stdout a process
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        # no context, which a thread of a library or of ours does not have
        _saying(process=process, release=config.release),
        traces.add_ids,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        reports.to_sentry,
        structlog.processors.format_exc_info,
        redact,
    ]
    _outlet = Outlet(_stdout(), lambda count: _dropped(process, count))
    structlog.configure(
        processors=[_wanted, *shared, structlog.processors.JSONRenderer(serializer=_json)],
        # everything passes it: loggers are made once, and which lines are wanted changes later
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=_Logger,
        cache_logger_on_first_use=True,
    )
    _adopt_stdlib(shared)
    _configured = config.log_level
    set_level("")
    reports.start(process, config)


def set_level(name: str) -> None:
    """Write lines of level `name` (DEBUG, INFO, WARNING, ERROR) and above from here on; of
    LOG_LEVEL again with "" or with what is no level.
    """
    global _level
    known = logging.getLevelNamesMapping()
    configured = known.get(_configured.upper(), logging.INFO)
    level = known.get(name.upper(), configured)
    if _outlet is None or level == _level:  # not ours to say, or said already
        return
    was_set, _level = _level, level
    if was_set:
        logger().warning("log level changed", now_level=logging.getLevelName(level))
    logging.getLogger().setLevel(level)
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(max(level, logging.WARNING))


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
_configured = "INFO"
_level = logging.NOTSET


def _wanted(_logger: Any, method: str, event: Any) -> Any:
    """The first processor: a line below the level costs nothing more."""
    if NUMBERS.get(method, logging.CRITICAL) < _level:
        raise structlog.DropEvent
    return event


def _saying(**whose: str) -> Callable[[Any, str, dict[str, Any]], dict[str, Any]]:
    """A processor: what is the same in each line of a process."""

    def add(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
        return {**whose, **event}

    return add


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


def _adopt_stdlib(shared: list[Any]) -> None:
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
    logging.captureWarnings(capture=True)
