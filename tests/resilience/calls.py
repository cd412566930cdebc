"""Calls that go well, badly or never end, and what they are made to."""

import asyncio

from app.resilience.breaker import Breaker
from app.resilience.guard import Resource

ALICE, BOBS, CHARLIES = "alice.myshopify.com", "bob.myshopify.com", "charlie.myshopify.com"


def resource(*, deadline_seconds: float = 0.05, tickets: int = 4, calls_min: int = 3) -> Resource:
    return Resource("a test", deadline_seconds, tickets, Breaker("a test", calls_min=calls_min))


async def answer() -> str:
    return "here"


async def never() -> str:
    await asyncio.sleep(30)
    return "too late"


async def broken() -> str:
    raise ConnectionError("gone")


def for_shops(**options: object) -> Resource:
    return Resource("a test", 0.05, 8, by_shop=True, **options)
