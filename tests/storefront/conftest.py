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
from app.points.earning import actions as earning
from app.points.members import reads
from app.points.rewards import redemption
from tests.points.world import ALICE
from tests.web_app import all_beat, fresh_process, talking_to


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    fresh_process()


@pytest.fixture(scope="session")
def app(config: settings.Config) -> Starlette:
    return main.create_app(config)


@pytest.fixture
async def http(app: Starlette, stores: db.Stores) -> AsyncIterator[httpx2.AsyncClient]:
    await all_beat(stores)
    state = {"config": stores.config, "stores": stores, "client": None}
    async with talking_to(app, state) as client:
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
