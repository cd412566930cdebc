"""Imports of the stand-in store point down: its shops know nothing of the pages that show them."""

import ast
from pathlib import Path

import devstore

ROOT = Path(devstore.__file__).parent
# of one row, none imports another
LAYERS = (
    {"__main__"},
    {"main"},
    {"control", "pages"},
    {"demo"},
    {"api"},
    {"world"},
    {"webhooks", "trouble", "processes"},
    {"signing"},
    {"shop"},
    {"settings", "errors"},
)
HEIGHT = {name: -number for number, row in enumerate(LAYERS) for name in row}


def part(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """The parts of the stand-in store that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "devstore":
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("devstore."):
            found.add(str(node.module).split(".")[1])
    return found


def test_imports_point_down() -> None:
    files = [path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py"]
    assert {part(path) for path in files} == set(HEIGHT)
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files
        for name in imports(path)
        if name != part(path) and HEIGHT[name] >= HEIGHT[part(path)]
    ]
    assert wrong == []


def test_no_file_is_longer_than_three_hundred_lines() -> None:
    lengths = {path: path.read_text(encoding="utf-8").count("\n") for path in ROOT.rglob("*.py")}
    assert [path.name for path, lines in lengths.items() if lines >= 300] == []
