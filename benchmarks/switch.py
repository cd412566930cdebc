"""Switches signals off and on in a process that runs, for measuring what they cost: SIGUSR2 takes
away what SIGNALS_SWITCH names, SIGUSR1 gives it back. Put in front of a process as `sitecustomize`.
"""

import contextlib
import os
import signal
from collections.abc import Callable
from typing import Any


def nothing(*_: Any, **__: Any) -> None:
    pass


def metrics_and_logs(*, is_on: bool) -> None:
    """Nothing is counted, observed or set, and no line below CRITICAL is written."""
    from prometheus_client import metrics

    from app.telemetry import logs

    methods = {metrics.Counter: "inc", metrics.Histogram: "observe", metrics.Gauge: "set"}
    if not _kept:
        _kept.update({kind: getattr(kind, name) for kind, name in methods.items()})
    for kind, name in methods.items():
        setattr(kind, name, _kept[kind] if is_on else nothing)
    logs._configured = "INFO" if is_on else "CRITICAL"  # noqa: SLF001 - each beat asks for it again
    logs.set_level("")


def recorded(*, is_on: bool) -> None:
    """Traces go nowhere; nobody is asked whether one is to be recorded."""
    from app.telemetry import spans

    if not _kept:
        _kept["recorder"] = spans.recorder
    spans.record_to(_kept["recorder"] if is_on else None)


def looked_for(*, is_on: bool) -> None:
    """What asks whether traces are recorded does not even ask: as if they had never been built."""
    from app.telemetry import traces

    none = contextlib.nullcontext()
    instead: dict[str, Callable[..., Any]] = {
        "request": nothing,
        "delivery": nothing,
        "gather": nothing,
        "failed": nothing,
        "is_on": nothing,
        "span": lambda *_, **__: none,
        "batch": lambda *_, **__: none,
        "resumed": lambda *_, **__: none,
        "onward": lambda carrier: carrier,
        "headers": dict,
    }
    if not _kept:
        _kept.update({name: getattr(traces, name) for name in instead})
    for name, stand_in in instead.items():
        setattr(traces, name, _kept[name] if is_on else stand_in)


_kept: dict[Any, Any] = {}
SWITCHES = {"told": metrics_and_logs, "recorded": recorded, "looked_for": looked_for}

if switch := SWITCHES.get(os.environ.get("SIGNALS_SWITCH", "")):
    signal.signal(signal.SIGUSR1, lambda *_: switch(is_on=True))
    signal.signal(signal.SIGUSR2, lambda *_: switch(is_on=False))
