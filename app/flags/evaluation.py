"""What a flag is for a shop at this moment: asked through OpenFeature, remembered until the next
look at the table, and never an error.
"""

import asyncio
import time

from openfeature import api
from openfeature.evaluation_context import EvaluationContext

from app import db, rooms
from app.flags import store
from app.flags.known import FLAGS, Flag, default, is_given
from app.flags.providers import EVERYBODY, Table
from app.resilience import failures
from app.resilience.deadline import pause, within
from app.telemetry import logs, metrics

POLL_EVERY_SECONDS = 5.0
POLL_SECONDS = 0.9  # of rooms.HEALTH
FIRST_POLL_SECONDS = 0.5  # what a start waits at most for what operators have switched off
REMEMBERED_MAX = 20_000
USED_KEY = "cache:flags-used"
USED_KEPT_SECONDS = 86_400
TELL_EVERY_SECONDS = 60.0

log = logs.logger()
table = Table()
_client = api.get_client()
_remembered: dict[tuple[str, str], bool] = {}
_used: set[str] = set()


class _State:
    read_at: float | None = None  # seconds of this process' clock
    told_at = 0.0


def is_on(flag: Flag, shop: str = "") -> bool:
    """Whether the shop has what the flag guards; without a shop, whether all have.

    Never raises, asks nobody and costs a look into a dict, except the first time in five seconds.
    """
    known = _remembered.get((flag.key, shop))
    return _asked(flag, shop) if known is None else known


def _asked(flag: Flag, shop: str) -> bool:
    otherwise = is_given(table.settings.get(flag.key) or default(flag), shop)
    try:
        found = _client.get_boolean_value(
            flag.key, otherwise, EvaluationContext(targeting_key=shop or EVERYBODY)
        )
    except Exception as error:  # noqa: BLE001 - whoever asks for a flag goes on
        log.warning("flag not evaluated", flag=flag.key, reason=failures.reason(error))
        found = otherwise
    if len(_remembered) >= REMEMBERED_MAX:
        _remembered.clear()
    _remembered[flag.key, shop] = found
    _used.add(flag.key)
    return found


def age_seconds() -> float | None:
    """Since when this process has known nothing newer; None while it has read nothing."""
    return None if _State.read_at is None else time.monotonic() - _State.read_at


def forget() -> None:
    """As in a process that has just started."""
    table.settings = {}
    _remembered.clear()
    _used.clear()
    _State.read_at, _State.told_at = None, 0.0


async def begin(stores: db.Stores) -> None:
    """Be ready to say what flags are: by the table where it answers at once, and by LaunchDarkly
    from when it is there, where its key is set.
    """
    api.set_provider_and_wait(table)
    config = stores.config
    if config.launchdarkly_sdk_key:
        from app.flags import launchdarkly  # noqa: PLC0415 - only where it is asked for

        launchdarkly.come_first(config.launchdarkly_sdk_key, config.launchdarkly_url, table)
    await poll(FIRST_POLL_SECONDS)


async def watch(stores: db.Stores, stop: asyncio.Event) -> None:
    """Look at the table every few seconds, and tell which flags this process has asked for."""
    rooms.current.set(rooms.HEALTH)  # of this task alone
    while not stop.is_set():
        await pause(POLL_EVERY_SECONDS, stop)
        await poll()
        await _tell_used(stores)


async def poll(seconds: float = POLL_SECONDS) -> bool:
    """Read the table; whether that could be done. What was read before holds until it can."""
    try:
        with rooms.inside(rooms.HEALTH):
            table.settings = await within(seconds, store.read())
    except Exception as error:  # noqa: BLE001 - the last known values hold
        metrics.FLAG_POLLS.labels("failed").inc()
        if not failures.is_passing(error):
            log.warning("flags not read", reason=failures.reason(error))
        return False
    finally:
        _remembered.clear()  # also what another provider has said: it may say otherwise by now
    metrics.FLAG_POLLS.labels("read").inc()
    _State.read_at = time.monotonic()
    return True


async def last_used(stores: db.Stores) -> dict[str, float]:
    """When each flag was last asked for by any process, in seconds since 1970, to the minute."""
    found = await stores.cache.hgetall(USED_KEY)  # type: ignore[misc]
    return {key.decode(): float(at) for key, at in found.items() if key.decode() in FLAGS}


async def _tell_used(stores: db.Stores) -> None:
    now = time.monotonic()
    if not _used or now - _State.told_at < TELL_EVERY_SECONDS:
        return
    try:
        async with stores.cache.pipeline(transaction=False) as pipe:
            pipe.hset(USED_KEY, mapping=dict.fromkeys(_used, f"{time.time():.0f}"))
            pipe.expire(USED_KEY, USED_KEPT_SECONDS)
            await pipe.execute()
    except Exception as error:  # noqa: BLE001 - told the next time
        log.debug("use of flags not told", reason=failures.reason(error))
        return
    _State.told_at = now
    _used.clear()
