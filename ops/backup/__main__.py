"""`python -m ops.backup COMMAND`: backups of Postgres, and proofs that they can be restored."""

import argparse
import secrets
import sys
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from pathlib import Path

from ops.backup import store

# Postgres calls `archive` and `fetch` for each segment of the log: what the others need is
# imported by them alone
BACKUP_HOURS_MAX, DRILL_HOURS_MAX = 26.0, 8 * 24.0
HOUR = 3_600.0


def main() -> None:
    given = _arguments()
    if given.command == "key":
        print(urlsafe_b64encode(secrets.token_bytes(32)).decode())
        return
    kept = store.from_environment()
    try:
        sys.exit(COMMANDS[given.command](kept, given))
    except OSError as error:  # such as no room: a sentence for whoever reads Postgres' log
        raise SystemExit(f"{given.command}: {error}") from None


def archive(kept: store.Store, given: argparse.Namespace) -> int:
    from ops.backup import wal

    try:
        wal.archive(kept, given.path, given.name)
    except FileExistsError:
        raise SystemExit(f"{given.name} is kept already, and is another one.") from None
    return 0


def fetch(kept: store.Store, given: argparse.Namespace) -> int:
    from ops.backup import wal

    return wal.fetch(kept, given.name, given.path)


def take(kept: store.Store, given: argparse.Namespace) -> int:
    from ops.backup import marks, taking, tools

    url = tools.database_url()
    taken = taking.take(kept, url, given.command)
    said = f"{taken.name}: {taken.files:,} files, {taken.bytes:,} bytes"
    print(f"{said}, kept in {taken.sealed_bytes:,}; every file as its manifest says")
    marks.note(url, "backup", said)
    return 0


def receive(kept: store.Store, _: argparse.Namespace) -> int:
    from ops.backup import tools, wal

    wal.receive(kept, tools.database_url())
    return 0


def prune(kept: store.Store, _: argparse.Namespace) -> int:
    from ops.backup import retention

    gone = retention.prune(kept, datetime.now(UTC))
    print(f"{gone.backups} backups and {gone.segments} segments of the log ended")
    return 0


def verify(kept: store.Store, _: argparse.Namespace) -> int:
    from ops.backup import taking, wal
    from ops.backup.sealing import DamagedError

    found = store.backups(kept)
    is_good = bool(found)
    for backup in found:
        try:
            taking.read(kept, backup)
            store.chain(found, backup)
            missing = wal.missing(kept, backup)
            said = f"{len(missing)} segments of the log are missing" if missing else "good"
        except (DamagedError, OSError) as error:
            said = f"damaged: {error}"
        is_good &= said == "good"
        print(f"{backup.name}: {said}")
    if not found:
        print("There is no backup.")
    return 0 if is_good else 1


def restore(kept: store.Store, given: argparse.Namespace) -> int:
    from local import servers
    from ops.backup import restoring
    from ops.backup.sealing import DamagedError

    try:
        backup = restoring.restore(
            kept, given.folder, given.at, given.backup, owner=servers.postgres_user()
        )
    except DamagedError as error:
        raise SystemExit(f"The backup is damaged: {error}") from None
    print(
        f"{backup.name} is in {given.folder}. Start Postgres on it with BACKUP_FOLDER and the keys"
    )
    print("in its environment: it takes the log from the archive and then opens for writing.")
    return 0


def drill(kept: store.Store, given: argparse.Namespace) -> int:
    from ops.backup import drill as restore_drill
    from ops.backup import marks, tools

    url = tools.database_url()
    found = restore_drill.drill(kept, url, given.at)
    print(found)
    if found.is_good:
        marks.note(url, "drill", str(found).splitlines()[0])
    return 0 if found.is_good else 1


def status(kept: store.Store, _: argparse.Namespace) -> int:
    """What is there and how old it is; 1 when a backup or drill is older than it may be."""
    from ops.backup import marks, tools

    found = store.backups(kept)
    for backup in found[-8:]:
        print(f"{backup.name}: {backup.bytes:,} bytes, kept in {backup.sealed_bytes:,}")
    known = marks.read(tools.database_url())
    is_good = True
    for name, hours_max in (("backup", BACKUP_HOURS_MAX), ("drill", DRILL_HOURS_MAX)):
        if name not in known:
            print(f"no good {name} yet")
            is_good = False
            continue
        hours = known[name][0] / HOUR
        is_good &= hours <= hours_max
        print(f"the last good {name} is {hours:.1f} hours old (at most {hours_max:.0f})")
    return 0 if is_good else 1


COMMANDS = {
    "full": take,
    "incremental": take,
    "archive": archive,
    "fetch": fetch,
    "receive": receive,
    "prune": prune,
    "verify": verify,
    "restore": restore,
    "drill": drill,
    "status": status,
}


def _moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("write a moment like 2026-11-27T01:30:00+00:00") from None
    if at.tzinfo is None:
        raise argparse.ArgumentTypeError("a moment needs its offset, like +00:00")
    return at


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="ops.backup", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, words in (
        ("full", "take all of it"),
        ("incremental", "take what changed since the newest backup"),
        ("receive", "take the log as it is written, until SIGTERM"),
        ("prune", "end what is older than BACKUP_KEPT_DAYS and not needed"),
        ("verify", "open and check everything that is kept"),
        ("status", "what there is, and how old"),
        ("key", "print a new key"),
    ):
        commands.add_parser(name, help=words)
    one = commands.add_parser("archive", help="archive_command: PATH NAME (%%p %%f)")
    one.add_argument("path", type=Path)
    one.add_argument("name")
    one = commands.add_parser("fetch", help="restore_command: NAME PATH (%%f %%p)")
    one.add_argument("name")
    one.add_argument("path", type=Path)
    one = commands.add_parser("restore", help="put a backup into FOLDER")
    one.add_argument("folder", type=Path)
    one.add_argument("--at", type=_moment, help="as of this moment; else to the end of the archive")
    one.add_argument("--backup", default="", help="begin from this one")
    one = commands.add_parser("drill", help="restore, verify, compare, throw away")
    one.add_argument("--at", type=_moment)
    return parser.parse_args()


if __name__ == "__main__":
    main()
