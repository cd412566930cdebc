"""Shopify as the tests of its Admin API find it: answers in turn, errors and costs."""

import asyncio
from collections.abc import Callable

import httpx

BOBS = "bob.myshopify.com"
DATA = {"codeDiscountNodeByCode": None}
Reply = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


class Shopify:
    """Answers in turn with what the test says, the last answer for ever; keeps what was asked."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.asked: list[httpx.Request] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        await asyncio.sleep(0)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, Exception):
            raise reply
        return reply(request) if callable(reply) else reply

    @property
    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self))


def answer(
    data: object = DATA, *errors: dict, cost: tuple | None = None, **headers: str
) -> httpx.Response:
    """`cost` is (requested, available, maximum, restored a second)."""
    body: dict = {"data": data} if data != "none" else {}
    if errors:
        body["errors"] = list(errors)
    if cost:
        requested, available, maximum, rate = cost
        status = {"maximumAvailable": maximum, "currentlyAvailable": available, "restoreRate": rate}
        body["extensions"] = {"cost": {"requestedQueryCost": requested, "throttleStatus": status}}
    return httpx.Response(200, json=body, headers={"X-Shopify-API-Version": "2026-07", **headers})


def error(code: str = "", path: list | None = None) -> dict:
    return {
        "message": "no",
        **({"extensions": {"code": code}} if code else {}),
        **({"path": path} if path else {}),
    }


def throttled(requested: float = 10, available: float = 0, rate: float = 100) -> httpx.Response:
    return answer("none", error("THROTTLED"), cost=(requested, available, 2000, rate))
