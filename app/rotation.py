"""Secrets that change while a process runs: it looks at their files, and goes on with the new.

What verifies and opens does so at once. Who signs and seals changes only when every process can
have looked: until then some would not believe what the others sign.
"""

import asyncio
import dataclasses
import os
import time
from collections.abc import Sequence

from app import config as settings
from app import secret_files
from app.config import Config, MissingSettingsError
from app.flow import event
from app.flow.kept import packing
from app.telemetry import logs

LOOK_SECONDS = 2.0
EVERYBODY_LOOKED_SECONDS = 10.0
log = logs.logger()


def use(config: Config) -> None:
    """What this process signs facts with, and seals kept webhooks by."""
    event.use_secrets(config.event_secrets)
    packing.use_keys(config.token_keys)


async def watch(config: Config) -> None:
    """Look for ever; nothing to do where no secret stands in a file."""
    if not any(os.environ.get(f"{name}_FILE") for name in secret_files.ROTATED):
        return
    known = secret_files.mark(os.environ)
    signs_from = 0.0  # monotonic seconds; 0 when nothing is to change
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        # a folder of another machine may hang
        found = await asyncio.to_thread(secret_files.mark, os.environ)
        if found != known:
            known = found
            signs_from = time.monotonic() + EVERYBODY_LOOKED_SECONDS
            await asyncio.to_thread(follow, config, is_first_look=True)
        elif signs_from and time.monotonic() > signs_from:
            signs_from = 0.0
            await asyncio.to_thread(follow, config)


def follow(config: Config, *, is_first_look: bool = False) -> None:
    """Read the settings again and take their secrets over. What cannot be used changes nothing:
    the process goes on with what it has, and says so.
    """
    try:
        fresh = settings.load()
    except MissingSettingsError as error:
        log.warning("secrets have changed, but cannot be used", reason=str(error))
        return
    if is_first_look:
        fresh = dataclasses.replace(
            fresh,
            event_secrets=_still_first(config.event_secrets, fresh.event_secrets),
            token_keys=_still_first(config.token_keys, fresh.token_keys),
        )
    changed = config.take_secrets(fresh)
    if changed:
        use(config)
        log.info("secrets rotated", settings=changed)


def _still_first(now: Sequence[str], fresh: Sequence[str]) -> tuple[str, ...]:
    """The fresh ones, behind the one that signs now; one that was withdrawn is gone at once."""
    first = [one for one in now[:1] if one in fresh]
    return (*first, *(one for one in fresh if one not in first))
