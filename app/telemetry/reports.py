"""Errors to Sentry and product events to PostHog, when their keys are set."""

import threading
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

from app.config import Config
from app.telemetry import traces
from app.telemetry.metrics import LOST_SIGNALS
from app.telemetry.redaction import redact, scrub

# both are loaded only when their key is set: together they cost each process 0.6 s and 25 MB
_sentry: Any = None  # the module sentry_sdk
_posthog: Any = None  # a client
TAGS = ("service", "request_id", "trace_id", "event_id", "shop", "job")


def start(process: str, config: Config) -> None:
    """Load what has a key; a wrong key never keeps a process from starting, nor does a service
    that is away: none is called yet.
    """
    traces.start(process, config)
    _start_sentry(process, config)
    _start_posthog(config)


def capture(event: str, subject: str, properties: Mapping[str, Any]) -> None:
    """A product event to PostHog, when its key is set; queued, dropped when the queue is full,
    never personal: see app.telemetry.product for what there is.
    """
    if _posthog is None:
        return
    # no profile is made of who is behind it, nor is anybody looked for by an address
    anonymous = {"$process_person_profile": False, "$geoip_disable": True, "$ip": None}
    try:
        clean = dict(redact(None, "", dict(properties)))
        sent = _posthog.capture(event, distinct_id=subject, properties={**clean, **anonymous})
    except Exception:  # noqa: BLE001 - analytics never break what they watch; the loss is counted
        sent = None
    if sent is None:
        LOST_SIGNALS.labels("posthog").inc()


def flush() -> None:
    """Send what waits, for at most two seconds each; the last thing a process does."""
    traces.flush()
    if _sentry is not None:
        _sentry.flush(timeout=2)
    if _posthog is not None:
        closing = threading.Thread(
            target=_posthog.shutdown, daemon=True
        )  # it has no deadline of its own
        closing.start()
        closing.join(timeout=2)
        if closing.is_alive():  # what it waits to try again goes with the process
            LOST_SIGNALS.labels("posthog").inc(_posthog.queue.unfinished_tasks)


def to_sentry(
    _logger: Any, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Processor: errors with what tells where they belong; the line goes on."""
    if _sentry is not None and method in {"error", "exception", "critical"}:
        error = event.get("exc_info")
        try:
            with _sentry.new_scope() as scope:
                for name in TAGS:
                    if name in event:
                        scope.set_tag(name, str(event[name]))
                if event.get("fingerprint"):
                    scope.fingerprint = [str(event["fingerprint"])]
                if error:
                    _sentry.capture_exception(error if isinstance(error, BaseException) else None)
                else:
                    _say(scope, event)
        except Exception:  # noqa: BLE001 - logging goes on; the loss is counted
            LOST_SIGNALS.labels("sentry").inc()
    return event


def _say(scope: Any, event: Mapping[str, Any]) -> None:
    """An error without an exception of ours: what the line says, and a browser's own stack."""
    if event.get("frames"):
        told = {
            "type": event.get("kind", "Error"),
            "value": event.get("message", ""),
            "stacktrace": {"frames": event["frames"]},
        }
        found = {"platform": "javascript", "exception": {"values": [told]}}
        scope.capture_event({"level": "error", "logger": event.get("event"), **found})
    else:
        _sentry.capture_message(str(event.get("event")), level="error")


def _start_sentry(process: str, config: Config) -> None:
    global _sentry  # noqa: PLW0603 - one client a process
    if not config.sentry_dsn:
        return
    import sentry_sdk  # noqa: PLC0415

    try:
        sentry_sdk.init(
            dsn=config.sentry_dsn,
            environment=config.environment,
            release=config.release,
            send_default_pii=False,
            include_local_variables=False,  # locals hold tokens and customers
            max_request_body_size="never",
            max_breadcrumbs=0,
            auto_enabling_integrations=False,
            shutdown_timeout=2,
            before_send=_before_send,
        )
        sentry_sdk.set_tag("process", process)
        # the SDK's own place to be told what it did not send
        transport: Any = sentry_sdk.get_client().transport
        if transport is not None:
            transport.on_dropped_event = lambda _: LOST_SIGNALS.labels("sentry").inc()
        _sentry = sentry_sdk
    except Exception as error:  # noqa: BLE001 - a wrong DSN must not keep a process from starting
        LOST_SIGNALS.labels("sentry").inc()
        structlog.get_logger().warning("sentry could not start", error=repr(error))


def _start_posthog(config: Config) -> None:
    global _posthog  # noqa: PLW0603 - one client a process
    if config.posthog_api_key and "all" not in config.posthog_opt_out:
        from posthog import Posthog  # noqa: PLC0415

        _posthog = Posthog(
            config.posthog_api_key,
            host=config.posthog_host,
            max_queue_size=1_000,
            max_retries=1,
            timeout=3,
            on_error=lambda _, lost: LOST_SIGNALS.labels("posthog").inc(len(lost)),
        )


def _before_send(event: Any, _hint: Any) -> Any:
    """Nothing of the request or the person leaves; what is left is scrubbed like a log line."""
    for part in ("request", "user", "breadcrumbs", "server_name"):
        event.pop(part, None)
    return _scrub_event(event)


def _scrub_event(value: Any) -> Any:
    # unlike a log line, Sentry's own structure uses keys such as `name`: only the text is scrubbed
    if isinstance(value, Mapping):
        return {key: _scrub_event(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_scrub_event(inner) for inner in value]
    return scrub(value)
