"""The web process: uvicorn on uvloop and httptools."""

import asyncio
import contextlib
import functools
import signal
import sys
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from app import config as settings
from app.flow.lanes import durability
from app.main import create_app
from app.operations.probes import Leaving
from app.short_way import ShortWay
from app.telemetry import logs, reports
from workers.service import freeze_the_program

BACKLOG = 2_048
STARTUP_FAILURE = 3
GRACEFUL_SECONDS = 5


def main() -> None:
    """Serve on HOST (127.0.0.1 by default) and PORT until SIGTERM."""
    config = settings.load()
    logs.setup("web", config)
    durability.at_boot(config)
    # uvicorn ends gracefully, then raises the signal again: that must not cut off the flush below
    signal.signal(signal.SIGTERM, lambda *_: None)
    serve(
        create_app(config),
        config.port,
        config.host,
        config.release,
        drain_seconds=config.drain_seconds,
    )
    reports.flush()


class Draining(uvicorn.Server):
    """A server that goes on for a while after SIGTERM, in which health says that it leaves: a
    request on a connection that is being closed would be lost.
    """

    drain_seconds = 0.0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig != signal.SIGTERM or Leaving.is_so:
            super().handle_exit(sig, frame)  # a second one does not wait
            return
        Leaving.is_so = True
        loop = asyncio.get_running_loop()
        end = functools.partial(super().handle_exit, sig, frame)
        loop.call_soon_threadsafe(loop.call_later, self.drain_seconds, end)


def serve(
    app: ASGIApp,
    port: int,
    host: str = "127.0.0.1",
    release: str = "",
    *,
    drain_seconds: float = 0.0,
) -> None:
    """Serve `app` until SIGTERM, naming the release in each answer; the benchmark serves an empty
    handler the same way.
    """
    freeze_the_program()
    # our own line a request has its id and route; a proxy in front ends TLS and needs nothing
    # forwarded
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http=ShortWay,
        lifespan="on",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        headers=[("x-holdfast-release", release)] if release else None,
        backlog=BACKLOG,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )
    server = Draining(config)
    server.drain_seconds = drain_seconds
    with contextlib.suppress(KeyboardInterrupt):  # it raises the signal again that has ended it
        server.run()
    if not server.started:
        sys.exit(STARTUP_FAILURE)


if __name__ == "__main__":
    main()
