"""`python -m ops.flags list | set KEY --by NAME … | check [--database]`: flags from the command
line; `check` exits with 1 when one has done its work and should go.
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from app import config, db, rooms
from app.errors import HoldfastError
from app.flags import store
from app.flags.known import FLAGS, Flag, Setting, default, stale_days
from ops import here


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be changed; None leaves it as it is."""

    is_enabled: bool | None
    share_in_10000: int | None
    on: frozenset[str]
    off: frozenset[str]
    neither: frozenset[str]


def stale(flags: Mapping[str, Flag], settings: Mapping[str, Setting], today: date) -> list[str]:
    """A sentence for each flag that should be removed."""
    return [
        f"{flag.key} (of {flag.owner}) has been at nobody or all for {days} days: remove it, and "
        f"what it guards or what it replaced."
        for flag in flags.values()
        if (days := stale_days(flag, settings.get(flag.key) or default(flag), today))
    ]


def changed(setting: Setting, wanted: Wanted) -> Setting:
    """The setting with what is wanted; shops leave one list when they come to the other."""
    named = wanted.on | wanted.off | wanted.neither
    share = wanted.share_in_10000
    return setting._replace(
        is_enabled=setting.is_enabled if wanted.is_enabled is None else wanted.is_enabled,
        share_in_10000=setting.share_in_10000 if share is None else share,
        shops_on=(setting.shops_on - named) | wanted.on,
        shops_off=(setting.shops_off - named) | wanted.off,
    )


def line(flag: Flag, setting: Setting) -> str:
    """A flag for a person."""
    state = f"{setting.share_in_10000 / 100:g} %" if setting.is_enabled else "OFF"
    lists = f", on for {len(setting.shops_on)}, off for {len(setting.shops_off)} by name"
    who = f", changed by {setting.changed_by}" if setting.changed_by else ""
    named = lists if setting.shops_on or setting.shops_off else ""
    return f"{flag.key:<20}{state:>8}{named}{who} ({flag.owner}, since {flag.since}): {flag.guards}"


async def main(given: argparse.Namespace) -> int:
    """Do what is asked; 0 when all is well, 1 when a flag is stale."""
    today = datetime.now(UTC).date()
    rooms.current.set(rooms.AUDIT)
    async with db.open_stores(config.load()):
        if given.command == "set":
            wanted = Wanted(
                given.enabled,
                given.share,
                frozenset(given.on),
                frozenset(given.off),
                frozenset(given.neither),
            )
            await store.change(changed(await store.setting(given.key), wanted), given.by)
        settings = await store.read()
    if given.command == "check":
        return _said(stale(FLAGS, settings, today))
    for flag in FLAGS.values():
        print(line(flag, settings.get(flag.key) or default(flag)))
    return 0


def _said(problems: list[str]) -> int:
    print(*problems or [f"{len(FLAGS)} flags, none stale."], sep="\n")
    return 1 if problems else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="ops.flags", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="all flags as they stand")
    check = commands.add_parser("check", help="fail when one should be removed")
    check.add_argument("--database", action="store_true", help="by how they stand, not by default")
    change = commands.add_parser("set", help="change one")
    change.add_argument("key", choices=sorted(FLAGS))
    change.add_argument("--by", required=True, help="your name")
    change.add_argument("--share", type=int, metavar="IN_10000")
    switch = change.add_mutually_exclusive_group()
    switch.add_argument("--kill", dest="enabled", action="store_const", const=False)
    switch.add_argument("--revive", dest="enabled", action="store_const", const=True)
    for name, meaning in (
        ("on", "has it in any case"),
        ("off", "never has it"),
        ("neither", "is on no list"),
    ):
        change.add_argument(f"--{name}", nargs="*", default=[], metavar="SHOP", help=meaning)
    return parser.parse_args()


if __name__ == "__main__":
    asked = _arguments()
    if asked.command == "check" and not asked.database:  # asks nobody, such as in make lint
        sys.exit(_said(stale(FLAGS, {}, datetime.now(UTC).date())))
    try:
        sys.exit(here.run(main(asked)))
    except HoldfastError as error:
        sys.exit(error.message)
