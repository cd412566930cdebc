"""Finds the parts that pip does not bring; a test without its part is skipped, in CI it fails."""

import os
import shutil

import pytest


def needed(*commands: str) -> None:
    """Skip the test that asks, with a plain reason, unless all `commands` are on the PATH; fail
    it where REQUIRE_PARTS says that they must be.
    """
    missing = [command for command in commands if shutil.which(command) is None]
    if not missing:
        return
    said = f"{', '.join(missing)} not found here"
    if os.environ.get("REQUIRE_PARTS"):
        pytest.fail(said)
    pytest.skip(said)


def built(*commands: str) -> str:
    """The first of `commands` that is on the PATH; skips the test where there is none, in CI too:
    no package manager has it, and building it takes minutes.
    """
    found = next(filter(None, map(shutil.which, commands)), None)
    if found is None:
        pytest.skip(f"{commands[0]} not found here; it has to be built (see docs/operate.md)")
    return found
