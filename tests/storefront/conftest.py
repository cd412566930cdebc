"""The shopper's API with the stores of the session: nothing remembered, the points service
alive, Alice's rewards.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import httpx2
import pytest
from starlette.applications import Starlette

from app import config as settings
from app import db, main
from app.flow.lanes import backlog
from app.points.earning import actions as earning
from app.points.members import reads
from app.points.panels import balance, redeeming, shopper
from app.points.rewards import redemption
from app.resilience import breaker, cache, health, limits, reach
from tests.points.world import ALICE


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    for one in (shopper, cache, health, backlog, reach):
        one.forget()
    for one in (
        balance.READS,
        redeeming.HOLDS,
        redeeming.COMPLETIONS,
        cache.CACHE,
        health.HEALTH,
        limits.LIMITS,
        backlog.BACKLOGS,
    ):
        one.breaker._move(breaker.State.CLOSED, "start of the test")


@pytest.fixture(scope="session")
def app(config: settings.Config) -> Starlette:
    return main.create_app(config)


def talking_to(app: Starlette, stores: db.Stores) -> httpx2.AsyncClient:
    state = {"config": stores.config, "stores": stores, "client": None}

    async def with_state(scope, receive, send) -> None:
        await app({**scope, "state": dict(state)}, receive, send)

    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=with_state), base_url="http://app")


@pytest.fixture
async def http(app: Starlette, stores: db.Stores) -> AsyncIterator[httpx2.AsyncClient]:
    for service in health.PROCESSES:
        await health.beat(stores.queue, service, 0.0)
    async with talking_to(app, stores) as client:
        yield client


@pytest.fixture
async def rewards(stores: db.Stores) -> dict[int, str]:
    """The ids of Alice's rewards by what they cost."""
    await earning.ensure_program(ALICE, "USD", "UTC")
    return {reward.cost: reward.id for reward in await reads.rewards(ALICE)}


@pytest.fixture
def shopify(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What becomes of the second half of a redemption: `state` captured, held, released, slow
    or broken.
    """
    outcome = {"state": "captured"}

    async def complete(_stores: db.Stores, _client: object, redemption_id: str):
        state = outcome["state"]
        if state == "slow":
            await asyncio.sleep(5)
        if state == "broken":
            raise ConnectionResetError
        sql = "UPDATE redemptions SET state = $2, reason = 'It was refused.' WHERE id = $1"
        async with db.transaction() as conn:
            await conn.execute(sql, redemption_id, state)
        view = await redemption.view(redemption_id)
        return replace(
            view, message="A plain sentence.", code="" if state == "held" else view.code or "HF-1"
        )

    monkeypatch.setattr(redemption, "complete", complete)
    return outcome


@pytest.fixture
def take_postgres_away(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def take() -> None:
        class Away:
            async def __aenter__(self) -> None:
                raise ConnectionRefusedError("postgres is away")

            async def __aexit__(self, *_: object) -> None: ...

        monkeypatch.setattr(db, "connection", Away)
        monkeypatch.setattr(db, "transaction", Away)

    return take
