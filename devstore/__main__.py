"""`python -m devstore`: serve the stand-in Shopify on DEVSTORE_PORT."""

import logging

import uvicorn

from devstore import main, settings


def run() -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    loaded = settings.load()
    uvicorn.run(
        main.make_app(loaded),
        host="127.0.0.1",
        port=loaded.port,
        loop="asyncio",  # with uvloop httpx says of a connection that was reset at once that it
        # has no attribute, which is no error of httpx
        http="httptools",
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=3,
    )


if __name__ == "__main__":
    run()
