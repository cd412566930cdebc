"""The release process: waits for Postgres, brings its tables to this version, and ends."""

import asyncio
import functools
from datetime import UTC, datetime
from typing import Any

import stamina
from asyncpg.exceptions import InternalClientError, PostgresError
from tortoise import Tortoise
from tortoise.migrations.api.migrate import migrate
from tortoise.migrations.schema_generator.state import State
from tortoise.migrations.schema_generator.state_apps import StateApps

from app import addresses, db, postgres, rooms
from app import config as settings
from app.addresses import Address
from app.flow import event
from app.flow.bus import keeper, places
from app.flow.bus.interface import PARTS
from app.services import SERVICES
from app.telemetry import logs
from workers import roles
from workers.carry_over import carry_over, forget_streams

WAIT_SECONDS = 30
OLDEST_VERSION = 17  # of Postgres: sessions are bounded by its transaction_timeout
LOCK = 4_065_350_211  # any number of our own: two releases at once migrate one after the other
log = logs.logger()


class OldPostgresError(SystemExit):
    """Raised before anything is changed; its text says what is needed."""


async def release(config: settings.Config) -> None:
    """Apply every migration that is missing; a second run changes nothing.

    Raises OSError or PostgresError when Postgres has not answered within 30 s, OldPostgresError
    for one that no process could work with.
    """
    tables = db.tortoise_config(config)
    lock = await _connect(addresses.parse(config.database_url))
    try:
        version = lock.get_server_version()
        if version.major < OLDEST_VERSION:
            raise OldPostgresError(
                f"Postgres is version {version.major}, and Holdfast needs {OLDEST_VERSION} or"
                " newer. Nothing was changed."
            )
        await lock.execute("SELECT pg_advisory_lock($1)", LOCK)
        # no statement timeout: an index on a big table takes long
        with rooms.inside(rooms.RELEASE):
            await migrate(config=tables, progress=_say)
            await Tortoise.close_connections()
        async with lock.transaction():
            carried = await carry_over(lock, config)
        if carried:
            await forget_streams(config)
        await keeper.keep_on(lock, datetime.now(UTC).date())
        for one in SERVICES:  # what it has not read is known before it runs for the first time
            await lock.execute(places.ENSURE, one.name, PARTS)
        if config.database_roles:
            await roles.grant(lock, config.database_roles)
    finally:
        await lock.close()
    log.info("database is ready")


class _Before(State):
    """What the models were before a step of a migration. Tortoise makes a class of each model
    before each step, which was two thirds of a first release; these are made for whoever asks.
    """

    def __init__(self, state: State) -> None:
        self.models = {key: one.clone() for key, one in state.models.items()}
        self._like = state.apps

    @functools.cached_property
    def apps(self) -> StateApps:  # type: ignore[override]
        return self._like.clone(model_states=self.models)


State.clone = lambda self: _Before(self)  # type: ignore[method-assign]  # noqa: PLW0108


async def _connect(address: Address) -> Any:
    patient = stamina.retry_context(
        on=(OSError, TimeoutError, PostgresError, InternalClientError),
        attempts=None,
        timeout=WAIT_SECONDS,
        wait_max=1.0,
    )
    async for attempt in patient:
        with attempt:
            return await postgres.connect(address)
    raise AssertionError("unreachable: the last attempt raises")


def _say(event: str, label: str, migration: str) -> None:
    log.info("migration", step=event, label=label, migration=migration)


def main() -> None:
    config = settings.load()
    logs.setup("release", config)
    event.use_secrets(config.event_secrets)
    asyncio.run(release(config))


if __name__ == "__main__":
    main()
