"""The Chromium that all tests in a browser start, with what costs least."""

import os
import shutil
from pathlib import Path

import pytest

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-software-rasterizer",
    "--disable-background-networking",
    "--disable-site-isolation-trials",
    "--renderer-process-limit=1",
]


def executable() -> str:
    """Where it is; without one the test is skipped, or fails where the run asks for browsers."""
    found = shutil.which("chromium") or "/usr/bin/chromium"
    if not Path(found).exists():
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail("There is no chromium, and REQUIRE_BROWSER=1 asks for one.")
        pytest.skip("There is no chromium on this machine.")
    return found
