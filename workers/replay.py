"""`python -m workers.replay SERVICE --since 2026-11-20[T10:00]`: lets a service read again."""

import argparse
import asyncio
from datetime import UTC, datetime

from app import config, db
from app.flow.bus import places
from app.services import SERVICES


async def main(service: str, since: datetime) -> None:
    async with db.open_stores(config.load()):
        try:
            parts = await places.go_back(service, since)
        except OSError as error:
            raise SystemExit(f"The database cannot be reached ({type(error).__name__}).") from None
    said = f"{service} reads again from {since.isoformat()} on, in {parts} partitions."
    print(said)  # noqa: T201


def moment(text: str) -> datetime:
    """A moment as people type it, in UTC where it does not say otherwise."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="workers.replay", description=__doc__)
    parser.add_argument("service", choices=[one.name for one in SERVICES])
    parser.add_argument("--since", type=moment, required=True)
    asked = parser.parse_args()
    asyncio.run(main(asked.service, asked.since))
