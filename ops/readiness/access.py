"""Whether only those get in who should, for as long as they should: TLS, certificates, roles,
secrets, clocks.
"""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from app import addresses, db, usable
from app.config import Config
from app.operations import host
from ops.readiness.look import Look

SECRETS_DAYS_MAX = 180
SECRETS = ("SHOPIFY_API_SECRET", "EVENT_SECRETS", "TOKEN_KEYS", "METRICS_TOKEN")
CERTIFICATE_DAYS_MIN = 21
APART_SECONDS_MAX = 2.0
DAY = 86_400
# commands run as the owner, in rooms of their own
SUPERUSERS = """
SELECT DISTINCT usename::text AS role FROM pg_stat_activity JOIN pg_roles ON rolname = usename
 WHERE application_name LIKE 'holdfast %' AND rolsuper
   AND application_name NOT IN ('holdfast audit', 'holdfast release') ORDER BY 1
"""


async def tls(look: Look) -> list[str]:
    """Whether what goes to another machine is sealed, and the machine is the one it says it is."""
    return list(unsealed(look.config))


def unsealed(config: Config) -> Iterator[str]:
    """A sentence for each address of another machine that is reached without TLS."""
    for name, url in (
        ("DATABASE_URL", config.database_url),
        ("DATABASE_READ_URL", config.database_read_url),
    ):
        if not url:
            continue
        address = addresses.parse(url)
        if all(place.startswith("/") or usable.is_loopback(place) for place, _ in address.hosts):
            continue
        if address.ssl_mode in {"", "disable", "prefer"}:
            yield f"{name} goes to another machine in the open: add sslmode=verify-full."
        elif not address.ssl_mode.startswith("verify"):
            yield f"{name} believes any server it meets: sslmode=verify-full instead."
    redises = " ".join((config.redis_url, *config.lane_redis_urls))
    for name, urls, sealed in (
        ("REDIS_URL", redises, "rediss"),
        ("CACHE_REDIS_URL", config.cache_redis_url, "rediss"),
        ("BUS_URL", config.bus_url, "kafkas"),
    ):
        if any(_is_open(url, sealed) for url in urls.split()):
            yield f"{name} goes to another machine in the open: begin it with {sealed}."


def _is_open(url: str, sealed: str) -> bool:
    scheme, place, *_ = urlsplit(url)
    if scheme == "unix" or scheme.startswith(sealed):
        return False
    return not all(usable.is_loopback(_host(one)) for one in place.rpartition("@")[2].split(","))


def _host(place: str) -> str:
    if place.startswith("["):
        return place[1:].partition("]")[0]
    return place.rpartition(":")[0] if ":" in place else place


async def certificates(look: Look) -> list[str]:
    """Whether each lasts for three weeks at least."""
    left = await asyncio.to_thread(lambda: dict(host.certificates(look.config)))
    return [
        f"A certificate of {name} ends in {seconds / DAY:.0f} days: issue a new one."
        if seconds
        else f"A certificate of {name} has ended, or cannot be read."
        for name, seconds in left.items()
        if seconds < CERTIFICATE_DAYS_MIN * DAY
    ]


async def roles(_look: Look) -> list[str]:
    """Whether our processes may do no more than they need."""
    async with db.connection() as connection:
        rows = await connection.fetch(SUPERUSERS)
    return [
        f"Our processes are the superuser {row['role']} of Postgres: give them a role of their own "
        "(DATABASE_ROLES)."
        for row in rows
    ]


async def clocks(look: Look) -> list[str]:
    """Whether this machine, Postgres and Redis agree what time it is."""
    found = {}
    began = time.time()
    async with db.connection() as connection:
        moment: datetime = await connection.fetchval("SELECT clock_timestamp()")
    found["Postgres"] = moment.timestamp() - (began + time.time()) / 2
    began = time.time()
    seconds, microseconds = await look.stores.queue.time()
    found["Redis"] = seconds + microseconds / 1e6 - (began + time.time()) / 2
    return [
        f"The clock of {name} is {apart:+.0f} s from this machine's: keep both by NTP."
        for name, apart in found.items()
        if abs(apart) > APART_SECONDS_MAX
    ]


async def secrets(look: Look) -> list[str]:
    """Whether secrets are this installation's own, in files, and not older than half a year."""
    missing = []
    if not look.config.is_production:
        missing.append("HOLDFAST_ENV is not production: secrets everybody knows are accepted.")
    for name in SECRETS:
        path = look.environ.get(f"{name}_FILE")
        if not path:
            missing.append(f"The age of {name} is not known: give it as a file ({name}_FILE).")
            continue
        said = await asyncio.to_thread(_file, name, Path(path))
        if said:
            missing.append(said)
    return missing


def _file(name: str, path: Path) -> str:
    try:
        found = path.stat()
    except OSError as error:
        return f"{name}_FILE cannot be read ({type(error).__name__})."
    days = (datetime.now(UTC).timestamp() - found.st_mtime) / DAY
    if days > SECRETS_DAYS_MAX:
        return f"{name} is {days:.0f} days old: rotate it."
    if found.st_mode & 0o004:
        return f"{name}_FILE can be read by everybody on this machine: chmod o-r {path}."
    return ""
