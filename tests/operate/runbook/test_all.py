"""That nothing is left out: each page has a test that really makes its fault, and its commands are
there in an installation, too.
"""

import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.config import ROOT
from tests.operate.runbook.following import DO, FOLDER, OVER, PAGES, TELL, commands, made

HERE = Path(__file__).parent
IN_THE_IMAGE = ("app", "workers", "ops", "templates", "static", "migrations")
# where PostgreSQL's programs, Prometheus or the router are, and no container of ours
ELSEWHERE = {"ops.here"}


def test_each_page_has_a_test_that_makes_its_fault() -> None:
    for path in HERE.glob("test_*.py"):
        importlib.import_module(f"{__package__}.{path.stem}")
    assert set(PAGES) - made == set(), "pages that nobody has ever followed"
    assert made - set(PAGES) == set()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_says_how_to_tell_and_how_to_know_that_it_is_over(page: str) -> None:
    for section in (TELL, OVER):
        assert any(wanted for _, wanted in commands(page, section)), f"{page}: {section}"
    for section in (TELL, DO, OVER):
        for command, _ in commands(page, section):
            assert "curl" not in command, "an image has none, and it waits for ever"


@pytest.mark.long
def test_each_command_is_there_in_an_image_which_has_less(tmp_path: Path) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md"))
    modules = set(re.findall(r"python -m ((?:ops|workers)\.[a-z_.]*[a-z])", text)) - ELSEWHERE
    for name in IN_THE_IMAGE:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    assert len(modules) > 10
    for module in sorted(modules):
        if module.startswith("workers.") and module not in {"workers.verify", "workers.replay"}:
            continue  # those take no --help: they would start
        done = subprocess.run(
            [sys.executable, "-m", module, "--help"],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{module}: {done.stderr[-500:]}"
