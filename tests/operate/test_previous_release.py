"""The release before goes on working on the tables of this one: migrations expand first, so that a
canary and a rollback need no way back.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.config import ROOT
from tests.operate.parts import needed

pytestmark = [pytest.mark.operate, pytest.mark.long]

# what reads and writes tables, nearly all: the road, the ledger, rewards, tiers, campaigns,
# referrals, customers, pages and the ways in
RELEVANT = (
    "tests/flow",
    "tests/core",
    "tests/points",
    "tests/campaigns",
    "tests/referrals",
    "tests/storefront",
    "tests/admin",
    "tests/test_webhooks.py",
)
# a named commit of before, instead of the one found here
NAMED = os.environ.get("RELEASE_BEFORE", "")


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def previous() -> str:
    """The last release by its tag; without tags, the commit before the newest migration came."""
    if NAMED:
        return NAMED
    tags = git("tag", "--list", "v*", "--merged", "HEAD", "--sort=-creatordate").splitlines()
    if tags:
        return tags[0]
    newest = max((ROOT / "migrations").glob("[0-9]*.py")).relative_to(ROOT)
    came = git("log", "--diff-filter=A", "-1", "--format=%H", "--", str(newest))
    return git("rev-parse", f"{came}^")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Path]:
    """The release before, with the migrations of this one."""
    needed("git")
    if git("rev-parse", "--is-shallow-repository") == "true":
        pytest.skip("this clone has no history, and so no release before")
    place = tmp_path / "before"
    git("worktree", "add", "--detach", str(place), previous())
    try:
        known = {path.name: path.read_bytes() for path in (place / "migrations").glob("*.py")}
        ours = {path.name: path.read_bytes() for path in (ROOT / "migrations").glob("*.py")}
        assert ours.keys() - known.keys(), "there must be a migration that it does not know"
        if not NAMED:  # numbers of one that was never released may be given anew
            assert known.items() <= ours.items(), "a migration that was released never changes"
        shutil.rmtree(place / "migrations")
        shutil.copytree(ROOT / "migrations", place / "migrations")
        yield place
    finally:
        git("worktree", "remove", "--force", str(place))


def test_the_suite_of_the_release_before_passes_on_the_tables_of_this_one(house: Path) -> None:
    there = [one for one in RELEVANT if (house / one).exists()]
    options = ["-q", "-n", "2", "--dist", "loadfile", "-p", "no:cacheprovider"]
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HOLDFAST_", "PYTEST_")) and name != "DATABASE_URL"
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *there],
        cwd=house,
        capture_output=True,
        text=True,
        env=environment,
    )
    print(done.stdout[-300:])
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-1_000:]
