"""The image's steps, done without a container engine: what is copied is enough for every process,
under a user who may write nothing.

IMAGE_TREE names the files of an image that was really built (docs/operate.md says how): its
processes run inside of it then, with its own Python, its root read-only.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app import development
from app.config import ROOT
from local import processes, servers
from ops import alive
from tests import template
from tests.stack import Stack
from tests.waiting import wait_for

pytestmark = pytest.mark.operate

NOBODY = 10_001
TREE = os.environ.get("IMAGE_TREE", "")
# what a container engine does besides: its own mounts, a root nobody can write to, another user
INSIDE = """
set -e
mount --bind "$1" "$1"
mount -t proc proc "$1/proc"
mount --bind /dev "$1/dev"
mount -t tmpfs -o mode=755 tmpfs "$1/tmp"
mkdir -p "$1$2" && mount --bind "$2" "$1$2"
mount -o remount,bind,ro "$1"
exec chroot --userspec=10001:10001 "$1" /bin/sh -c 'cd /app && exec /venv/bin/python -m "$0"' "$3"
"""
# another user here, who may read whatever folder the interpreter lies in and write nowhere
OTHER = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
OTHER += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
STOP_SECONDS = 20.0


@pytest.fixture
def image() -> Iterator[Path]:
    """What the image has under /app, for everybody to read."""
    text = (ROOT / "Containerfile").read_text(encoding="utf-8")
    if TREE:
        yield Path(TREE)
        return
    with tempfile.TemporaryDirectory(prefix="hf-image-") as name:
        place = Path(name)
        place.chmod(0o755)
        _copy(text, place)
        yield place


def _copy(text: str, place: Path) -> None:
    for name in re.findall(r"^COPY (?!--)(\S+)", text, re.MULTILINE):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))


@pytest.fixture
def stores() -> Iterator[Stack]:
    """Postgres and Redis as production wants them."""
    with template.folder(), tempfile.TemporaryDirectory(prefix="hf-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        stack = Stack(folder, EMBEDDED_APPENDFSYNC="always")
        template.copy_postgres(folder / "postgres")
        try:
            stack.start("postgres", "redis")
            yield stack
        finally:
            stack.stop_everything()


def started(image: Path, process: str, stack: Stack, port: int) -> subprocess.Popen[str]:
    """What the entry point does with this argument."""
    secrets = development.its_secrets(stack.directory)
    settings = {name: stack.environment[name] for name in ("DATABASE_URL", "REDIS_URL", "PATH")}
    inside = ["unshare", "--mount", "sh", "-c", INSIDE, "-", TREE, str(stack.directory), process]
    beside = [*(OTHER if os.geteuid() == 0 else []), sys.executable, "-m", process]
    return subprocess.Popen(
        inside if TREE else beside,
        cwd=ROOT if TREE else image,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={
            **settings,
            **secrets,
            "HOLDFAST_ENV": "production",
            "RELEASE": "v7",
            "PORT": str(port),
            "PYTHONDONTWRITEBYTECODE": "1",
            "SHOPIFY_API_KEY": "a-key-of-the-test-0123456789",
            "SHOPIFY_API_SECRET": "a-secret-of-the-test-0123456789",
            "METRICS_TOKEN": "a-token-of-the-test-0123456789",
        },
    )


def test_every_process_runs_from_what_is_copied_and_ends_when_told(
    image: Path, stores: Stack
) -> None:
    port = servers.free_port()
    release = started(image, "workers.release", stores, port)
    said, _ = release.communicate(timeout=120)
    assert release.returncode == 0, said
    names = [name for name in processes.app_commands() if name != "release"]
    running = {name: started(image, f"workers.{name}", stores, port) for name in names}
    try:
        wait_for("web is alive", lambda: alive.main("workers.web", str(port)) == 0, 60)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            wait_for(
                "all beat",
                lambda: (
                    {one["status"] for one in client.get("/healthz").json()["services"].values()}
                    == {"healthy"}
                ),
                60,
            )
            assert client.get("/healthz").json()["release"] == "v7"
            assert client.get("/metrics").status_code == 401
            assert client.get("/static/app.css").status_code == 200
    finally:
        began = time.monotonic()
        for process in running.values():
            process.terminate()
        ended = {name: process.wait(STOP_SECONDS) for name, process in running.items()}
        seconds = time.monotonic() - began
        lines = {name: process.stdout.read() for name, process in running.items() if process.stdout}
        for process in running.values():
            if process.stdout:
                process.stdout.close()
    print(f"all ended {seconds:.1f} s after SIGTERM")
    assert set(ended.values()) == {0}, ended
    assert all('"release":"v7"' in one for one in lines.values() if one), "each line names it"
