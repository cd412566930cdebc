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


def test_a_build_that_is_not_whole_is_not_kept_and_takes_no_other_with_it(
    made: Path, monkeypatch
) -> None:
    """A disk that is full, no git, an environment that is broken: the two before stay."""
    for at, name in enumerate(("v1", "v2")):
        os.utime(releases.keep(made, name, "HEAD"), (at, at))
    run = subprocess.run

    def full(command, **options):
        if command[0] == "tar":
            return subprocess.CompletedProcess(command, 2, b"", b"tar: No space left on device")
        return run(command, **options)

    def no_git(command, **options):
        if command[0] == "git":
            raise FileNotFoundError(2, "No such file or directory", "git")
        return run(command, **options)

    def broken(command, **options):
        if "-c" in command:
            return subprocess.CompletedProcess(command, 1, b"", b"ModuleNotFoundError: starlette")
        return run(command, **options)

    for trouble, said in ((full, "No space"), (no_git, "git"), (broken, "ModuleNotFoundError")):
        monkeypatch.setattr(releases.subprocess, "run", trouble)
        with pytest.raises(ReleaseError, match=said):
            releases.keep(made, "v3", "HEAD")
        assert names(made) == ["v2", "v1"]
        assert list(made.glob(".v3.part")) == []
    monkeypatch.setattr(releases.subprocess, "run", run)
    with pytest.raises(ReleaseError, match="no commit"):
        releases.keep(made, "v3", "--output=/tmp/anywhere")
    releases.keep(made, "v3", "HEAD")


def test_what_lies_about_in_the_folder_is_no_part_of_a_build(made: Path) -> None:
    """A build is its commit: changes that were not committed, and links out of it, are not it."""
    house = releases.ROOT
    (house / "Procfile").write_text("web: python -m something.else\n")
    (house / "left.txt").write_text("not committed")
    place = releases.keep(made, "v1", "HEAD")
    assert "workers.web" in (place / "Procfile").read_text()
    assert not (place / "left.txt").exists()
    (made / "v0").symlink_to(house)  # somebody's link among the builds is not theirs to empty
    os.utime(made / "v0", (0, 0), follow_symlinks=False)
    for name in ("v2", "v3"):
        releases.keep(made, name, "HEAD")
    assert (house / releases.LOCKED).exists()


def test_a_build_whose_environment_is_gone_says_so(made: Path, monkeypatch) -> None:
    monkeypatch.chdir(made.parent)  # and back, from where it starts
    place = releases.keep(made, "v1", "HEAD")
    (place / ".venv").unlink()
    with pytest.raises(ReleaseError, match="does not start"):
        releases.start(made, "v1", "web")
