"""The last builds are kept and started by name."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from app.config import ROOT
from local import servers
from ops import releases
from ops.releases import ReleaseError
from tests.conftest import Servers
from tests.waiting import wait_for


@pytest.fixture
def made(monkeypatch, tmp_path: Path) -> Path:
    """A house of one commit, to be kept."""
    house = tmp_path / "house"
    house.mkdir()
    (house / "Procfile").write_text("web: python -m workers.web\n")
    (house / releases.LOCKED).write_text("")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *arguments], cwd=house, check=True, capture_output=True)
    monkeypatch.setattr(releases, "ROOT", house)
    return tmp_path / "releases"


def names(folder: Path) -> list[str]:
    return [path.name for path in releases.kept(folder)]


def test_the_last_two_are_kept_and_one_that_runs(made: Path) -> None:
    for at, name in enumerate(("v1", "v2")):
        os.utime(releases.keep(made, name, "HEAD"), (at, at))
    with (made / ".v1.lock").open("w") as running:
        fcntl.flock(running, fcntl.LOCK_SH)
        os.utime(releases.keep(made, "v3", "HEAD"), (3, 3))
        assert names(made) == ["v3", "v2", "v1"]
    releases.keep(made, "v4", "HEAD")
    assert names(made) == ["v4", "v3"]
    assert Path(sys.prefix, "bin/python").exists(), "what builds share is not theirs to remove"


def test_a_build_runs_its_own_processes_and_never_changes(made: Path) -> None:
    place = releases.keep(made, "v1", "HEAD")
    argv = releases.command(made, "v1", "web")
    assert argv == [str(place / ".venv/bin/python"), "-m", "workers.web"]
    for wrong in (
        lambda: releases.keep(made, "v1", "HEAD"),
        lambda: releases.keep(made, "../v2", "HEAD"),
        lambda: releases.keep(made, "v2", "nowhere"),
        lambda: releases.command(made, "v1", "nothing"),
        lambda: releases.command(made, "v9", "web"),
    ):
        with pytest.raises(ReleaseError):
            wrong()
    assert names(made) == ["v1"]


@pytest.mark.long
def test_two_builds_serve_side_by_side_over_the_same_stores(
    embedded: Servers, tmp_path: Path
) -> None:
    folder = tmp_path / "releases"
    running = []
    try:
        for name in ("v1", "v2"):
            releases.keep(folder, name, "HEAD")
            port = servers.free_port()
            command = ["-m", "ops.releases", "--folder", str(folder), "start", name, "web"]
            running.append(
                subprocess.Popen(
                    [sys.executable, *command],
                    cwd=ROOT,
                    env={**os.environ, **embedded.environment, "PORT": str(port)},
                )
            )
            wait_for(f"{name} listens", lambda port=port: servers.is_listening(port), 60)
            answer = httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=10)
            assert answer.json()["release"] == name
            assert answer.headers["x-holdfast-release"] == name
    finally:
        for process in running:
            process.terminate()
            process.wait(20)
