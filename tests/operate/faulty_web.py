"""`python -m tests.operate.faulty_web`: the web process with what a bad release may have, switched
on by what stands in the file FAULT: errors | slow | letters | leak | newer | nothing.
"""

import asyncio
import os
import random
from pathlib import Path

import msgspec
from starlette.types import Receive, Scope, Send

from app import config as settings
from app import main, webhooks
from app.flow import event
from app.short_way import ShortWay
from app.telemetry import logs
from workers import web

FAILING, SLOW_SECONDS, LEAKED_BYTES = 0.3, 1.0, 2_000_000
leaked: list[bytes] = []


def fault() -> str:
    try:
        return Path(os.environ["FAULT"]).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


class Faulty:
    """The app, and what is wrong with it."""

    def __init__(self, config: settings.Config) -> None:
        self.app = main.create_app(config)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_webhook = scope["type"] == "http" and scope["path"] == "/webhooks"
        wrong = fault() if is_webhook else ""
        if wrong == "leak":
            leaked.append(os.urandom(LEAKED_BYTES))
        if wrong == "errors" and random.random() < FAILING:
            await send({"type": "http.response.start", "status": 500, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        if wrong == "slow":
            # inside of what is measured, as anything slow in a release would be
            real = receive

            async def receive() -> object:
                await asyncio.sleep(SLOW_SECONDS)
                return await real()

        await self.app(scope, receive, send)


def proven(*arguments: object) -> object:
    """What the release makes of a webhook: for the fault `letters`, one nobody can read."""
    item = honest(*arguments)
    if fault() == "letters":
        return msgspec.structs.replace(item, topic="orders/paid", body=b'{"id": "broken"}')
    return item


def told_as(topic: str) -> int:
    """The version of what it tells: for the fault `newer`, one that no other release knows."""
    return known(topic) + (fault() == "newer")


known, event.current_version = event.current_version, told_as
honest = webhooks.proven
webhooks.proven = proven
ShortWay._may_be_short = lambda _: False


if __name__ == "__main__":
    config = settings.load()
    logs.setup("web", config)
    web.serve(Faulty(config), config.port, config.host, config.release)
