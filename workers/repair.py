"""`python -m workers.repair SHOP CUSTOMER_ID`: makes the lots of a frozen member agree with the
balance again, and lets the points move.

Events of theirs that were set aside meanwhile are dead letters, to be replayed after this.
"""

import asyncio
import sys

from app import config, db
from app.errors import HoldfastError
from app.points.ledger import actions


async def main(shop: str, customer_id: str) -> None:
    async with db.open_stores(config.load()):
        try:
            wrong = await actions.repair(shop, customer_id)
        except HoldfastError as error:
            raise SystemExit(error.message) from None
        except OSError as error:
            raise SystemExit(
                f"The database cannot be reached ({type(error).__name__}); nothing was repaired."
            ) from None
    found = ", ".join(f"{kind} lots {points:+} points" for kind, points in wrong.items() if points)
    print(f"Repaired: {found or 'the lots agreed with the balance'}.")  # noqa: T201 - a command


if __name__ == "__main__":
    if len(sys.argv) != 3:  # noqa: PLR2004 - the program's name is one of them
        raise SystemExit("Usage: python -m workers.repair SHOP CUSTOMER_ID")
    asyncio.run(main(sys.argv[1], sys.argv[2]))
