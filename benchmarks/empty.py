"""The web process's own server with an empty handler: what ingest could reach at most."""

import os

from starlette.types import Receive, Scope, Send

from workers.web import serve

ANSWER_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-length", b"0")],
}
ANSWER_BODY = {"type": "http.response.body", "body": b""}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    while (await receive()).get("more_body"):
        pass
    await send(ANSWER_START)
    await send(ANSWER_BODY)


if __name__ == "__main__":
    serve(app, int(os.environ["PORT"]))
