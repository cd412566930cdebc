"""`python -m ops.holder [--end]`: who keeps facts from being read by a transaction left open."""

import argparse
import asyncio

from app import config, db
from app.flow.bus import log as fact_log
from ops import here

END = "SELECT pg_terminate_backend($1)"


async def look(*, end: bool) -> str:
    """Who it is, as a sentence; with `end` their session is ended, and what it wrote undone."""
    holder = await fact_log.holder()
    if holder is None:
        return "Nobody holds the log up."
    who = f"{holder.application or 'somebody'} as {holder.user}, process {holder.pid}"
    found = f"Held up for {holder.seconds:.0f} s by {who}, {holder.state}: {holder.query}"
    if not end:
        return found
    async with db.connection() as connection:
        is_ended = await connection.fetchval(END, holder.pid)
    return f"{found}\n{'Its session was ended.' if is_ended else 'It is gone already.'}"


async def _main(*, end: bool) -> None:
    async with db.open_stores(config.load()):
        print(await look(end=end))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="ops.holder", description=__doc__)
    parser.add_argument("--end", action="store_true", help="end that session")
    asked = parser.parse_args()
    here.use_local_servers()
    asyncio.run(_main(end=asked.end))
