"""Whether our processes do their work, and somebody sees to what is left over."""

from datetime import UTC, datetime, timedelta

from app import db
from app.flags import store as flag_store
from app.flags.known import FLAGS
from app.flow import verified
from app.resilience import health
from ops import flags as flag_command
from ops.readiness.look import Look

VERIFIED_WITHIN = timedelta(hours=26)
LETTERS_DAYS = 1
LETTERS = """
SELECT count(*)::int FROM (SELECT FROM dead_letters
 WHERE state = 'dead' AND updated_at < now() - make_interval(days => $1) LIMIT 1001) AS counted
"""


async def processes(look: Look) -> list[str]:
    """Whether each line of the Procfile lives and gets on, all of one release."""
    board = await health.board(look.stores.queue)
    if board.is_remembered:
        return ["Nobody can say which processes live: Redis does not answer."]
    missing, releases = [], {}
    for name, line in board.items():
        notice = health.service_notice(board, name)
        if notice == "down":
            missing.append(f"The process {name} does not live: start python -m workers.{name}.")
            continue
        if notice == "late":
            missing.append(f"The process {name} is {line.lag_seconds:.0f} s behind, or stuck.")
        release = line.details.get("release")
        if name != "web" and isinstance(release, str):  # of web there may be a canary
            releases[name] = release
    if len(set(releases.values())) > 1:
        told = ", ".join(f"{name} {release}" for name, release in sorted(releases.items()))
        missing.append(f"The processes are of different releases ({told}): finish the roll-out.")
    return missing


async def verification(look: Look) -> list[str]:
    """Whether every balance was recomputed within a day, and was right."""
    last = await verified.last(look.stores.queue)
    if last is None:
        return ["Nothing was verified yet: run python -m workers.verify --note."]
    missing = []
    if datetime.now(UTC) - last.ended_at > VERIFIED_WITHIN:
        missing.append(
            f"The last verification ended at {last.ended_at:%Y-%m-%d %H:%M} UTC: "
            "run python -m workers.verify --note."
        )
    if last.found.problems:
        missing.append(
            f"The last verification found {last.found.problems} problems: see verify-found."
        )
    return missing


async def letters(_look: Look) -> list[str]:
    """Whether somebody looks after what was set aside."""
    async with db.connection() as connection:
        count = await connection.fetchval(LETTERS, LETTERS_DAYS)
    if not count:
        return []
    return [f"{count} dead letters are older than a day: python -m ops.letters names them."]


async def flags(_look: Look) -> list[str]:
    """Whether each flag still has work to do."""
    return flag_command.stale(FLAGS, await flag_store.read(), datetime.now(UTC).date())
