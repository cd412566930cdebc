"""The same HTTP server with an empty handler: what ingest could reach at most."""

import os
from typing import Any

import uvicorn

ANSWER_START = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
ANSWER_BODY = {"type": "http.response.body", "body": b"ok"}


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send(ANSWER_START)
    await send(ANSWER_BODY)


if __name__ == "__main__":
    uvicorn.run(
        app, host="127.0.0.1", port=int(os.environ["PORT"]), loop="uvloop", http="httptools",
        access_log=False, log_level="warning", lifespan="off",
    )  # fmt: skip
