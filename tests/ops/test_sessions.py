"""`python -m ops.sessions`: who keeps others waiting is named, and ended by number or name."""

import asyncio

import asyncpg

from app import db
from ops import sessions
from tests.flow.helpers import until


async def test_who_keeps_others_waiting_is_named_and_ended(stores: db.Stores) -> None:
    url = stores.config.database_url
    named = {"application_name": "nightly report"}
    holder = await asyncpg.connect(url, server_settings=named)
    waiter = await asyncpg.connect(url)
    looking = await asyncpg.connect(url)
    try:
        await holder.execute("BEGIN; LOCK TABLE members IN ACCESS EXCLUSIVE MODE")
        waiting = asyncio.create_task(waiter.fetchval("SELECT count(*) FROM members"))

        async def kept_waiting() -> str:
            said = "\n".join(await sessions.look(looking))
            return said if "keeps 1 waiting" in said else ""

        text = await until(kept_waiting, 10.0)
        pid = holder.get_server_pid()
        assert f"Process {pid} (nightly report as postgres, idle in transaction" in text
        assert await sessions.end(looking, "nobody") == "There is no session of nobody."
        said = await sessions.end(looking, "nightly report")
        assert said == "1 sessions of nightly report were ended."
        assert await waiting == 0
        assert (await sessions.look(looking))[-1] == "Nobody waits for a lock."
        assert await sessions.end(looking, str(waiter.get_server_pid())) != said
    finally:
        for one in (holder, waiter, looking):
            one.terminate()
        await asyncio.sleep(0.05)


async def test_who_may_end_nobody_is_told_so(stores: db.Stores) -> None:
    owner = await asyncpg.connect(stores.config.database_url)
    stranger = await asyncpg.connect(stores.config.database_url)
    try:
        await stranger.execute("CREATE ROLE stranger_here; SET ROLE stranger_here")
        said = await sessions.end(stranger, str(owner.get_server_pid()))
        assert said.startswith("This role may not")
    finally:
        await stranger.execute("RESET ROLE; DROP ROLE stranger_here")
        await owner.close()
        await stranger.close()
