"""The Chromium that all tests in a browser start, with what costs least."""

import os
import shutil

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
    # the same engine without a browser's own windows, which cost more than our pages
    found = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if not found:
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail("There is no chromium, and REQUIRE_BROWSER=1 asks for one.")
        pytest.skip("There is no chromium on this machine.")
    return found
