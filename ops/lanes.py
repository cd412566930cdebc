"""`python -m ops.lanes` shows what waits in each Redis for lanes; `move SHOP NODE` moves a shop.

Nothing is lost by a move: whoever admits puts the shop's next webhooks on the new node, and what
waits on the old one is drained from there. The command ends once that is empty, and 1 when it is
not after a minute; it can be given again.
"""

import argparse
import asyncio
import time

from redis.exceptions import RedisError

from app import config, db
from app.flow.lanes import backlog, lane, nodes
from ops import here

SETTLED_SECONDS = 60.0
SEEN_SECONDS = 3 * nodes.LOOK_EVERY_SECONDS  # until everybody who admits has looked
LOOK_SECONDS = 0.2


async def show(stores: db.Stores) -> None:
    """A line for each node, then one for each shop that was moved."""
    await nodes.look(stores)
    for one in stores.nodes:
        try:
            async with asyncio.timeout(nodes.ANSWER_SECONDS):
                found = await backlog.depth(one.lane, one.config)
        except (RedisError, OSError) as error:
            print(f"node {one.node} does not answer ({type(error).__name__})")
            continue
        print(
            f"node {one.node}: {found.waiting:,} webhooks of {found.lanes:,} shops wait, the first"
            f" for {found.overdue_seconds:.1f} s longer than it should"
        )
    for shop, number in sorted(stores.moved.items()):
        print(f"{shop} was moved to node {number}")


async def move(stores: db.Stores, shop: str, number: int) -> int:
    """Move a shop, and wait until nothing of it is left where it was; the exit status."""
    await nodes.look(stores)
    before = nodes.of(stores, shop)
    await nodes.move(stores, shop, number)
    if before.node == number:
        print(f"{shop} is on node {number}.")
        return 0
    ends = time.monotonic() + SETTLED_SECONDS
    await asyncio.sleep(SEEN_SECONDS)
    while left := await lane.lane_length(before.lane, shop):
        if time.monotonic() > ends:
            print(f"{left:,} webhooks of {shop} still wait on node {before.node}; look again.")
            return 1
        await asyncio.sleep(LOOK_SECONDS)
    print(f"{shop} has moved from node {before.node} to node {number}; nothing is left behind.")
    return 0


async def run(arguments: argparse.Namespace) -> int:
    async with db.open_stores(config.load()) as stores:
        if arguments.command == "move":
            return await move(stores, arguments.shop, arguments.node)
        await show(stores)
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m ops.lanes", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    moving = commands.add_parser("move", help="have a shop's lane be on another node")
    moving.add_argument("shop", help="such as alice.myshopify.com")
    moving.add_argument("node", type=int, help="counted from 1 in the order of REDIS_URL")
    raise SystemExit(here.run(run(parser.parse_args())))


if __name__ == "__main__":
    main()
