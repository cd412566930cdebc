"""`make ready`: looks at a running installation and prints what is missing."""

import asyncio
import os
import sys
from dataclasses import dataclass

import httpx

from app import config as settings
from app import db, rooms
from ops import here
from ops.readiness import signs, stores
from ops.readiness.look import Check, Look

LOOK_SECONDS_MAX = 10.0
CHECKS: dict[str, Check] = {
    "redis": stores.redis,
    "postgres": stores.postgres,
    "archive": stores.archive,
    "backups": stores.backups,
    "replica": stores.replica,
    "tables": stores.tables,
    "processes": signs.processes,
    "verification": signs.verification,
    "letters": signs.letters,
    "secrets": signs.secrets,
    "alerts": signs.alerts,
    "reports": signs.reports,
}


@dataclass(frozen=True, slots=True)
class Found:
    """What one check found missing, in sentences."""

    name: str
    missing: tuple[str, ...]


async def look_at(look: Look) -> list[Found]:
    """Every check, one after the other; one that cannot be made is something missing."""
    return [Found(name, tuple(await _made(check, look))) for name, check in CHECKS.items()]


async def _made(check: Check, look: Look) -> list[str]:
    try:
        async with asyncio.timeout(LOOK_SECONDS_MAX):
            return await check(look)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is not ready
        return [f"It could not be asked: {type(error).__name__} {error}".strip()]


async def main() -> int:
    """Print what is missing; 0 when nothing is, else 1."""
    here.use_local_servers()
    config = settings.load()
    rooms.current.set(rooms.AUDIT)
    async with db.open_stores(config) as opened, httpx.AsyncClient(timeout=5.0) as http:
        found = await look_at(Look(config, opened, os.environ, http))
    for one in found:
        print(f"{'ok ' if not one.missing else '-- '}{one.name}")
        for said in one.missing:
            print(f"     {said}")
    count = sum(len(one.missing) for one in found)
    print(f"\n{count} missing." if count else "\nReady.")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
