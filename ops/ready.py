"""`python -m ops.ready [CHECK …] [--without CHECK …]` (`make ready`): looks at a running
installation, changes nothing, and prints what is missing and what to do about it.
"""

import argparse
import asyncio
import logging
import os
import sys
import threading
from collections.abc import Collection
from dataclasses import dataclass

import httpx
import structlog
from asyncpg.exceptions import InsufficientPrivilegeError

from app import config as settings
from app import db, rooms
from app.resilience import failures
from ops import here
from ops.readiness import access, bus, signs, stores, watching
from ops.readiness.look import Check, Look

LOOK_SECONDS_MAX = 10.0
WHOLE_SECONDS_MAX = 60.0
AT_ONCE = 4  # the connections of the room for commands
CHECKS: dict[str, Check] = {
    "redis": stores.redis,
    "cache": stores.cache,
    "postgres": stores.postgres,
    "archive": stores.archive,
    "backups": stores.backups,
    "replica": stores.replica,
    "tables": stores.tables,
    "losses": stores.losses,
    "bus": bus.kafka,
    "processes": signs.processes,
    "verification": signs.verification,
    "letters": signs.letters,
    "flags": signs.flags,
    "tls": access.tls,
    "certificates": access.certificates,
    "roles": access.roles,
    "secrets": access.secrets,
    "clocks": access.clocks,
    "alerts": watching.alerts,
    "reports": watching.reports,
}


@dataclass(frozen=True, slots=True)
class Found:
    """What one check found missing, in sentences."""

    name: str
    missing: tuple[str, ...]


async def look_at(look: Look, names: Collection[str] = tuple(CHECKS)) -> list[Found]:
    """These checks, a few at once; one that cannot be made is something missing."""
    free = asyncio.Semaphore(AT_ONCE)

    async def made(name: str) -> Found:
        async with free:
            return Found(name, tuple(await _made(CHECKS[name], look)))

    return await asyncio.gather(*(made(name) for name in CHECKS if name in names))


async def _made(check: Check, look: Look) -> list[str]:
    try:
        async with asyncio.timeout(LOOK_SECONDS_MAX):
            return await check(look)
    except InsufficientPrivilegeError as error:
        return [f"This role of Postgres may not look: {error}. GRANT pg_monitor and SELECT to it."]
    except TimeoutError:
        return [f"It could not be asked: no answer within {LOOK_SECONDS_MAX:.0f} s."]
    except Exception as error:  # noqa: BLE001 - whatever it is, it is not ready
        said = failures.reason(error) if failures.is_passing(error) else f"{error!r}"
        return [f"It could not be asked: {said}."]


async def main(names: Collection[str]) -> int:
    """Print what is missing; 0 when nothing is, else 1."""
    # what is found is said below, in sentences
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    here.use_local_servers()
    config = settings.load()
    rooms.current.set(rooms.AUDIT)
    async with db.open_stores(config) as opened, httpx.AsyncClient(timeout=5.0) as http:
        found = await look_at(Look(config, opened, os.environ, http), names)
        for one in found:
            print(f"{'ok' if not one.missing else '--'}  {one.name}")
            for said in one.missing:
                print(f"      {said}")
    left_out = [name for name in CHECKS if name not in names]
    if left_out:
        print(f"Not looked at: {', '.join(left_out)}.")
    count = sum(len(one.missing) for one in found)
    print(f"\n{count} missing." if count else "\nReady.", flush=True)
    return 1 if count else 0


def _give_up() -> None:
    """Whatever hangs (a dead mount, a socket that is not closed), this does not."""
    print(f"\nIt did not come to its end within {WHOLE_SECONDS_MAX:.0f} s.", flush=True)
    os._exit(1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="ops.ready", description=__doc__)
    parser.add_argument("checks", nargs="*", metavar="CHECK", help=f"of {', '.join(CHECKS)}")
    parser.add_argument("--without", nargs="+", default=[], metavar="CHECK", choices=CHECKS)
    given = parser.parse_args()
    unknown = [one for one in given.checks if one not in CHECKS]
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(CHECKS)}")
    wanted = [one for one in given.checks or CHECKS if one not in given.without]
    if not wanted:
        parser.error("nothing is left to look at")
    limit = threading.Timer(WHOLE_SECONDS_MAX, _give_up)
    limit.daemon = True
    limit.start()
    sys.exit(asyncio.run(main(wanted)))
