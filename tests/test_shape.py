"""The shape of the house, measured: sizes, openings, the same names in every service, and no
trace of one machine.
"""

import inspect
import re
from pathlib import Path

import pytest

from app.config import ROOT
from app.services import PROCESSES, SERVICES

LINES_MAX = 300
FOLDERS = (
    "app",
    "workers",
    "devstore",
    "local",
    "ops",
    "templates",
    "static",
    "benchmarks",
    "tests",
)
CODE = {".py", ".js", ".css", ".html", ".lua", ".graphql", ".sql"}
TEXT = CODE | {".md", ".toml", ".lock", ".json", ".yml", ".yaml", ""}
NOT_OURS = {"vendor", "node_modules", "__pycache__"}
# what a service cannot do without; rules, pages and the rest are where a service has them
EVERY_SERVICE = {"__init__", "models", "handlers"}
# put together from parts, so that this file does not name them either
MACHINE = re.compile(
    "|".join(("/" + "home/", "/" + "Users/", "/" + "root/", "/" + "work/", r"[A-Z]:\\" + "Users"))
)
REGISTRY = re.compile(
    "|".join(("pypi" + r"\.org", "python" + "hosted", "npm" + r"js\.", "yarn" + r"pkg\."))
)


# documents a stranger has not got: a comment says the rule itself
CITED = re.compile("|".join(("DES" + r"IGN\b", "plat" + r"form\.md", "\u00a7")))


def ours(*folders: str, kinds: set[str] = CODE) -> list[Path]:
    return [
        path
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in kinds
        and path.is_file()
        and not NOT_OURS & set(path.relative_to(ROOT).parts)
    ]


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def services() -> list[str]:
    return [one.name for one in SERVICES]


def test_no_file_is_too_long_to_read_at_once() -> None:
    files = ours(*FOLDERS)
    assert len(files) > 200, "it must have found the house for this test to mean anything"
    lengths = {path: path.read_text(encoding="utf-8").count("\n") for path in files}
    assert names([path for path in files if lengths[path] > LINES_MAX]) == []


def test_every_module_opens_with_one_sentence() -> None:
    wrong = []
    for path in ours(*FOLDERS, kinds={".py"}):
        text = path.read_text(encoding="utf-8")
        # not by ast: parsing all of the house takes a second and a half
        quoted = text.removeprefix('"""').partition('"""')[0] if text.startswith('"""') else ""
        opening = inspect.cleandoc(quoted).split("\n\n")[0]
        is_empty_package = path.name == "__init__.py" and not text.strip()
        if not is_empty_package and not re.fullmatch(
            r"[^.!?]((?![.!?]\s+[A-Z]).)+[.!?]", opening, re.DOTALL
        ):
            wrong.append(path)
    assert names(wrong) == []


def test_every_script_and_stylesheet_says_what_it_is() -> None:
    wrong = [
        path
        for path in ours("static", "devstore", "benchmarks", "extensions", kinds={".js", ".css"})
        if not path.read_text(encoding="utf-8").startswith(("//", "/*"))
    ]
    assert names(wrong) == []


@pytest.mark.parametrize("service", services())
def test_every_service_has_the_same_files_and_a_process(service: str) -> None:
    found = {path.stem for path in (ROOT / "app" / service).iterdir()}
    assert found >= EVERY_SERVICE
    assert (ROOT / "workers" / f"{service}.py").exists()


def test_every_process_of_the_procfile_has_its_one_file() -> None:
    lines = (ROOT / "Procfile").read_text(encoding="utf-8").splitlines()
    processes = dict(line.split(": ", 1) for line in lines)
    assert processes == {name: f"python -m workers.{name}" for name in processes}
    assert {"release", *PROCESSES} == set(processes)
    assert all((ROOT / "workers" / f"{name}.py").exists() for name in processes)


def test_no_file_names_a_path_of_one_machine_or_a_registry() -> None:
    files = ours(*FOLDERS, "migrations", "docs", ".ci", kinds=TEXT)
    files += [
        path
        for path in ROOT.iterdir()
        if path.is_file() and path.suffix in TEXT and path.name != ".git"
    ]
    wrong = []
    for path in files:
        text = path.read_text(encoding="utf-8")
        wrong += [f"{path.relative_to(ROOT)}: {found[0]}" for found in MACHINE.finditer(text)]
        wrong += [f"{path.relative_to(ROOT)}: {found[0]}" for found in REGISTRY.finditer(text)]
    assert wrong == []


def test_no_comment_cites_a_document_instead_of_saying_the_rule() -> None:
    files = ours(*FOLDERS, "migrations", kinds=TEXT)
    wrong = {
        str(path.relative_to(ROOT)): found[0]
        for path in files
        if (found := CITED.search(path.read_text(encoding="utf-8")))
    }
    assert wrong == {}
