"""The web process: uvicorn on uvloop and httptools."""

import signal

import uvicorn
from starlette.types import ASGIApp

from app import config as settings
from app.flow.lanes import durability
from app.main import create_app
from app.short_way import ShortWay
from app.telemetry import logs, reports
from workers.service import collect_garbage_less_often

BACKLOG = 2_048
GRACEFUL_SECONDS = 5


def main() -> None:
    """Serve on HOST (127.0.0.1 by default) and PORT until SIGTERM."""
    config = settings.load()
    logs.setup("web", config)
    durability.at_boot(config)
    # uvicorn ends gracefully, then raises the signal again: that must not cut off the flush below
    signal.signal(signal.SIGTERM, lambda *_: None)
    serve(create_app(config), config.port, config.host, config.release)
    reports.flush()


def serve(app: ASGIApp, port: int, host: str = "127.0.0.1", release: str = "") -> None:
    """Serve `app` until SIGTERM, naming the release in each answer; the benchmark serves an empty
    handler the same way.
    """
    collect_garbage_less_often()
    # our own line a request has its id and route; a proxy in front ends TLS and needs nothing
    # forwarded
    uvicorn.run(
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


if __name__ == "__main__":
    main()
