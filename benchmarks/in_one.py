"""The road of a webhook in one process, for `benchmarks.signals`: rounds of the same work with a
kind of signals and without it, in turns; prints what each round cost.

    python -m benchmarks.in_one told 50
"""

import asyncio
import bisect
import contextlib
import gc
import gzip
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import uvloop
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from prometheus_client import metrics as prometheus

from app import config as settings
from app import db, rotation, webhooks
from app.flow.bus import places
from app.flow.bus.buses import open_bus
from app.flow.bus.consumer import Consumer
from app.flow.lanes import admission, ingest
from app.points import handlers
from app.shopify import payloads
from app.telemetry import logs, traces
from app.telemetry.span_export import COMPRESS_LEVEL, encode
from app.telemetry.spans import Span
from benchmarks import orders, sides
from workers.ingest import KnownShops

WEBHOOKS = 50  # a round
SHARE = 0.05
Switch = Callable[[bool], None]


class Kept:
    """A recorder whose spans are made into what is sent; the sending is the collector's."""

    def __init__(self, resource: Any) -> None:
        self.resource = resource
        self.spans: list[Span] = []

    def record(self, span: Span) -> None:
        self.spans.append(span)

    def close(self, seconds: float) -> None:
        """Nothing is under way."""

    def make(self) -> None:
        if self.spans:
            gzip.compress(encode(self.resource, self.spans), COMPRESS_LEVEL)
            self.spans.clear()


def nothing(*_: Any, **__: Any) -> None:
    """What stands in for a call that is not made."""


def metrics_and_logs() -> Switch:
    """Nothing is counted, observed or set, and no line is written."""
    methods = {prometheus.Counter: "inc", prometheus.Histogram: "observe", prometheus.Gauge: "set"}
    kept = {kind: getattr(kind, name) for kind, name in methods.items()}

    def switch(is_on: bool) -> None:
        for kind, name in methods.items():
            setattr(kind, name, kept[kind] if is_on else nothing)
        logs.set_level("INFO" if is_on else "CRITICAL")

    return switch


def recorded(kept: Kept) -> Switch:
    """5 % of traces are recorded, or none is looked for."""
    return lambda is_on: traces.record_to(kept if is_on else None, SHARE)


def looked_for() -> Switch:
    """Nobody wants traces; what asks whether somebody does is there, or is as if never built."""
    none = contextlib.nullcontext()
    instead: dict[str, Callable[..., Any]] = {
        "delivery": nothing,
        "gather": nothing,
        "failed": nothing,
        "span": lambda *_, **__: none,
        "batch": lambda *_, **__: none,
        "onward": lambda carrier: carrier,
    }
    kept = {name: getattr(traces, name) for name in instead}

    def switch(is_on: bool) -> None:
        for name, stand_in in instead.items():
            setattr(traces, name, kept[name] if is_on else stand_in)

    return switch


class Road:
    """Admission, ingest and points, one after the other: batches are the same each time."""

    def __init__(self, stores: db.Stores) -> None:
        self.stores = stores
        self.state = {"admission": admission.of(stores), "config": stores.config}
        self.shops = KnownShops()
        handle = handlers.handler(stores)
        bus = open_bus(stores.config)
        self.points = Consumer(handlers.SERVICE, handlers.TOPICS, handle, bus, stores)

    async def travel(self, requests: list[dict[str, Any]]) -> None:
        await asyncio.gather(*(self._deliver(one) for one in requests))
        drained = 0
        while drained < len(requests):
            drained += await ingest.drain_once(self.stores, payloads.translate, self.shops.known)
        while await self.points.run_once():
            pass

    async def _deliver(self, request: dict[str, Any]) -> None:
        body = [{"type": "http.request", "body": request["body"], "more_body": False}]
        answers: list[Any] = []

        async def receive() -> Any:
            return body.pop()

        async def send(message: Any) -> None:
            answers.append(message)

        scope = {"type": "http", "method": "POST", "path": "/webhooks", "state": self.state}
        await webhooks.endpoint({**scope, "headers": request["headers"]}, receive, send)
        assert answers[0]["status"] == 200, answers


def requests() -> Iterator[dict[str, Any]]:
    """Signed webhooks as an ASGI server hands them on."""
    first_id = time.time_ns() // 10**6  # orders nobody has seen, whoever ran before
    for raw in orders.webhooks(10**6, sides.SHOPS, first_id, "127.0.0.1"):
        head, _, body = raw.partition(b"\r\n\r\n")
        pairs = (line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
        yield {"headers": [(name.lower(), value) for name, value in pairs], "body": body}


def main() -> None:
    what, pairs = sys.argv[1], int(sys.argv[2])
    config = settings.load()
    logs.setup("one", config)
    rotation.use(config)
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    kept = Kept(Resource())
    made = {"told": metrics_and_logs, "looked_for": looked_for}
    switch = recorded(kept) if what == "recorded" else made[what]()
    opened = db.open_stores(config)
    road = Road(loop.run_until_complete(opened.__aenter__()))
    loop.run_until_complete(places.ensure(handlers.SERVICE))
    source = requests()
    cost: dict[bool, list[float]] = {True: [], False: []}
    gc.collect()
    gc.freeze()  # what is left of a round is collected before the next, and nothing else
    for number in range(4 + 2 * pairs):
        is_on = number % 4 in {0, 3}  # with, without, without, with
        some = list(islice(source, WEBHOOKS))
        switch(is_on)
        gc.collect()
        gc.disable()
        began = time.thread_time_ns()

        def work(_: int, some: list[dict[str, Any]] = some) -> int:
            loop.run_until_complete(road.travel(some))
            kept.make()
            return 0

        # callgrind counts inside of this function alone, which nobody else calls here
        bisect.bisect_right([0], 0, key=work)
        if number >= 4:
            cost[is_on].append((time.thread_time_ns() - began) / WEBHOOKS / 1_000)
        gc.enable()
    with os.fdopen(os.dup(2), "w") as out:  # stdout is for lines
        print(json.dumps({"with": cost[True], "without": cost[False]}), file=out)
    os._exit(0)


if __name__ == "__main__":
    main()
