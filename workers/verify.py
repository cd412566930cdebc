"""`python -m workers.verify [shop]`: prints what verification found; exits with 1 when anything
does not add up.
"""

import asyncio
import sys

from app import config, db, rooms
from app.points.ledger import audit


async def main(shop: str | None) -> int:
    async with db.open_stores(config.load()):
        rooms.current.set(rooms.AUDIT)
        try:
            report = await audit.verify(shop)
        except OSError as error:
            raise SystemExit(
                f"The database cannot be reached ({type(error).__name__}); nothing was verified."
            ) from None
    print(  # noqa: T201 - this is a command
        f"{report.members} members, {report.rows} ledger rows: drift {report.drift}, "
        f"broken chains {report.broken_chains}, {len(report.problems)} problems",
        *report.problems,
        sep="\n  ",
    )
    return 0 if report.is_sound else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else None)))
