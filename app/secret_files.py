"""Secrets from files: `NAME_FILE=/path` stands for `NAME`, as platforms mount them, and a process
sees when they change.
"""

from collections.abc import Mapping
from pathlib import Path

# what is read again while a process runs
ROTATED = (
    "SHOPIFY_API_SECRET",
    "SHOPIFY_API_SECRET_PREVIOUS",
    "EVENT_SECRETS",
    "TOKEN_KEYS",
    "METRICS_TOKEN",
)
# and at its start alone: a connection keeps what it was opened with
AT_START = (
    "DATABASE_URL",
    "REDIS_URL",
    "CACHE_REDIS_URL",
    "BUS_URL",
    "SENTRY_DSN",
    "POSTHOG_API_KEY",
)
BYTES_MAX = 64 * 1024
Mark = tuple[tuple[str, int, int, int], ...]  # path, inode, size and time of change in nanoseconds


def resolved(env: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The environment with what stands in files, and what is wrong with those, by name."""
    found, wrong = dict(env), []
    for name in (*ROTATED, *AT_START):
        path = env.get(f"{name}_FILE", "")
        if not path:
            continue
        if env.get(name):
            wrong.append(f"{name} and {name}_FILE are both given; which of them counts?")
            continue
        try:
            text = Path(path).read_bytes()[:BYTES_MAX].decode().strip()
        except (OSError, UnicodeDecodeError) as error:
            wrong.append(f"{name}_FILE cannot be read ({type(error).__name__})")
            continue
        # a file has a line for each, where a setting has a comma between them
        found[name] = ",".join(line.strip() for line in text.splitlines() if line.strip())
    return found, wrong


def mark(env: Mapping[str, str]) -> Mark:
    """What changes when one of the files that are read again does; a file that is away is left
    out. Mounted secrets change by a link that leads elsewhere, and with it the inode.
    """
    marks = []
    for name in ROTATED:
        path = env.get(f"{name}_FILE", "")
        try:
            if path:
                found = Path(path).stat()
                marks.append((path, found.st_ino, found.st_size, found.st_mtime_ns))
        except OSError:
            continue
    return tuple(marks)
