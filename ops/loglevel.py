"""`python -m ops.loglevel DEBUG --minutes 30`: every process logs more, or less, for a while."""

import argparse

import redis

from app import config
from app.telemetry import logs
from ops import here

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
MINUTES, MINUTES_MAX = 30, 24 * 60  # a level that is forgotten would fill disks for weeks


def change(client: redis.Redis, level: str, minutes: int) -> str:
    """Ask all processes for lines of `level` for so long; they follow with their next beat, within
    a second or two. "" ends it.
    """
    if not level:
        client.delete(logs.LEVEL_KEY)
        return "Every process logs as its LOG_LEVEL says, within two seconds."
    client.set(logs.LEVEL_KEY, level, ex=minutes * 60)
    return f"Every process logs from {level} up within two seconds, for {minutes} minutes."


def main() -> None:
    parser = argparse.ArgumentParser(prog="ops.loglevel", description=__doc__)
    parser.add_argument("level", choices=[*LEVELS, "back"], help="back: as LOG_LEVEL says")
    parser.add_argument("--minutes", type=int, default=MINUTES, choices=range(1, MINUTES_MAX + 1))
    asked = parser.parse_args()
    here.use_local_servers()
    level = "" if asked.level == "back" else asked.level
    with redis.Redis.from_url(config.load().redis_url, socket_timeout=5) as client:
        print(change(client, level, asked.minutes))


if __name__ == "__main__":
    main()
