"""LaunchDarkly as the first to say what a flag is; imported only where its key is set."""

import threading

from openfeature import api

from app.flags.providers import First, Table
from app.telemetry import logs

START_SECONDS = 5.0
log = logs.logger()


def come_first(sdk_key: str, url: str, table: Table) -> threading.Thread:
    """Let LaunchDarkly, or the relay of theirs at `url`, come before `table` from when it is there.

    Importing it takes seconds and its start waits for an answer, so both happen in the thread that
    is returned, and nobody waits for it. Until then, and while it is away, `table` is asked.
    """
    thread = threading.Thread(
        target=_connect, args=(sdk_key, url, table), name="launchdarkly", daemon=True
    )
    thread.start()
    return thread


def _connect(sdk_key: str, url: str, table: Table) -> None:
    try:
        from ld_openfeature import LaunchDarklyProvider  # noqa: PLC0415 - 30 MB and seconds
        from ldclient import Config  # noqa: PLC0415

        config = Config(sdk_key)
        if url:
            config = Config(sdk_key, base_uri=url, stream_uri=url, events_uri=url)
        theirs = LaunchDarklyProvider(config, START_SECONDS)
        api.set_provider_and_wait(First(theirs, table))
    except Exception as error:  # noqa: BLE001 - the table goes on being asked
        log.warning("LaunchDarkly does not start", reason=type(error).__name__)
    else:
        log.info("flags come from LaunchDarkly", is_there=theirs.client.is_initialized())
