"""Core: shops that leave, compliance requests, tokens of quiet shops, what never arrived."""

import asyncio

from app import db
from app.core import leaving, tokens
from app.core.handlers import SERVICE, TOPICS, handle
from app.core.reconciliation import actions as reconciliation
from app.core.reconciliation import planning
from app.flow.bus import consumer
from app.flow.bus.buses import open_bus
from app.resilience.progress import Progress
from app.shopify.client import outgoing
from workers import service

RENEW_EVERY_SECONDS = 600.0
LEAVING_EVERY_SECONDS = 2.0
PLAN_EVERY_SECONDS, RECONCILE_EVERY_SECONDS = 5.0, 2.0
RECONCILED_AT_ONCE = 4  # shops
GATHER_SECONDS = 0.1  # nobody watches a name come, and points have the processor meanwhile


async def work(stores: db.Stores, stop: asyncio.Event) -> None:
    bus = open_bus(stores.config)
    progress = Progress()

    async def lag_seconds() -> float:
        return (await bus.lag(SERVICE, TOPICS)).age_seconds

    async with outgoing(stores.config) as client:

        async def renew_tokens() -> None:
            await tokens.renew_idle(client, stores.config)

        async def confirm_leaving() -> None:
            await leaving.confirm_due(client, stores.config)

        async def plan_reconciliation() -> None:
            await planning.plan(stores)

        async def reconcile() -> None:
            await reconciliation.look_at_due(stores, client, stop)

        await service.together(
            consumer.run(
                SERVICE,
                TOPICS,
                handle,
                bus,
                stores,
                stop,
                progress.made,
                gather_seconds=GATHER_SECONDS,
            ),
            service.beat(stores, SERVICE, lag_seconds, stop, progress),
            service.every(RENEW_EVERY_SECONDS, renew_tokens, stop),
            service.every(LEAVING_EVERY_SECONDS, confirm_leaving, stop),
            service.every(PLAN_EVERY_SECONDS, plan_reconciliation, stop),
            *(
                service.every(RECONCILE_EVERY_SECONDS, reconcile, stop)
                for _ in range(RECONCILED_AT_ONCE)
            ),
        )


if __name__ == "__main__":
    service.start("core", work)
