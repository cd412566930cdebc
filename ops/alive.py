"""`python -m ops.alive`: the health check of a container; web has to answer, every other process
has a watchdog of its own that ends it when it is stuck, so that being there is enough.
"""

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

TIMEOUT_SECONDS = 2.0
# 503 is an answer: the process lives, and knows that both of its stores are away
ALIVE = {200, 503}


def main(command: str, port: str) -> int:
    """0 when the process with this command line lives, 1 when it does not."""
    if "workers.web" not in command:
        return 0
    try:
        # our own loopback address
        with urllib.request.urlopen(
            f"http://127.0.0.1:{port}/healthz", timeout=TIMEOUT_SECONDS
        ) as answer:
            status = answer.status
    except urllib.error.HTTPError as error:
        status = error.code
    except OSError as error:
        print(f"web does not answer: {error}", file=sys.stderr)
        return 1
    return 0 if status in ALIVE else 1


if __name__ == "__main__":
    first = Path("/proc/1/cmdline").read_text(encoding="utf-8").replace("\0", " ")
    sys.exit(main(first, os.environ.get("PORT", "8000")))
