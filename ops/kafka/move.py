"""Moves the bus: `python -m ops.kafka.move to kafka://…` or `back`, while everything runs.

Places are positions of the log with either bus, and whoever finds something missing in Kafka reads
it from the log. So nothing has to stand still: this makes sure that Kafka answers and has what is
there, before BUS_URL is set; or gives up what the relay keeps, after BUS_URL was taken away. The
processes are started again in any order, some with the one bus and some with the other meanwhile.
"""

import argparse
import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from app import config as settings
from app import db
from app.flow import event
from app.flow.bus.interface import PARTS
from app.resilience import deadline

if TYPE_CHECKING:
    from app.flow.bus.kafka.relay import Copier

COPY_SECONDS = 3_600.0
LEAD_TRIES, LEAD_EVERY_SECONDS = 30, 1.0
BEHIND = """
SELECT service, count(*) FILTER (WHERE waiting.signed_at IS NOT NULL) AS parts,
       coalesce(extract(epoch FROM clock_timestamp()) - min(waiting.signed_at), 0)::bigint AS age
  FROM places LEFT JOIN LATERAL (
       SELECT signed_at FROM facts
        WHERE facts.part = places.part AND facts.day >= places.day - 1
          AND (facts.tx, facts.id) > (places.tx, places.id)
        ORDER BY facts.tx, facts.id LIMIT 1) AS waiting ON TRUE
 GROUP BY service ORDER BY service
"""


async def move_to(url: str) -> int:
    """Make the topic and copy what is there; how many facts that were. Raises ConnectionError
    when Kafka does not answer, TimeoutError when another relay leads all the time.
    """
    from app.flow.bus.kafka import address, relay

    where = address.parse(url)
    for _ in range(LEAD_TRIES):
        async with relay.leading() as connection:
            if connection is not None:
                async with relay.copying(where, connection) as copier:
                    return await _copy_what_there_is(copier)
        await deadline.pause(LEAD_EVERY_SECONDS, asyncio.Event())
    raise TimeoutError("another relay copies the log already")


async def _copy_what_there_is(copier: "Copier") -> int:
    """Until what is left was written since this began: under load there always is something."""
    from app.flow.bus.kafka import relay

    began, copied = time.monotonic(), 0
    while found := (await copier.copy_once()).facts:
        copied += found
        whole_seconds = time.monotonic() - began - 1  # facts are told by whole seconds
        if await relay.lag_seconds() < whole_seconds:
            break
    return copied


async def move_back() -> int:
    """Give up the relay's places, for which the log would keep its days; how many there were.

    Raises TimeoutError while a relay copies.
    """
    from app.flow.bus.kafka import relay

    async with relay.leading() as connection:
        if connection is None:
            raise TimeoutError("a relay copies the log: take BUS_URL away from it first")
        rows = await connection.fetch(
            "DELETE FROM places WHERE service = 'relay' RETURNING service"
        )
    return len(rows)


async def told() -> str:
    """How far behind the log every reader of it is."""
    async with db.connection() as connection:
        rows = await connection.fetch(BEHIND)
    return "\n".join(
        f"{row['service']}: {row['parts']} of {PARTS} partitions have something to read, "
        f"the oldest {row['age']} s old"
        for row in rows
    )


async def main(arguments: argparse.Namespace) -> None:
    config = settings.load()
    event.use_secrets(config.event_secrets)
    if arguments.url:
        config = replace(config, bus_url=arguments.url)
    async with db.open_stores(config):
        if arguments.where == "to":
            copied = await deadline.within(COPY_SECONDS, move_to(config.bus_url))
            print(f"{copied} facts copied. Set BUS_URL everywhere and start the processes again.")
        else:
            given_up = await move_back()
            print(f"{given_up} places of the relay given up; the log is the bus.")
        print(await told())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("where", choices=["to", "back"])
    parser.add_argument("url", nargs="?", default="", help="kafka://… (the BUS_URL that is set)")
    asyncio.run(main(parser.parse_args()))
