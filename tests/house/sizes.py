"""`python -m tests.house.sizes`: how long the files and functions of app/ are, and how wide."""

import ast
import statistics
from collections.abc import Sequence

from app.config import ROOT


def main() -> None:
    """Print median, 95th percentile and the largest of files, functions and lines."""
    texts = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "app").rglob("*.py"))]
    show("lines a file", [text.count("\n") for text in texts])
    functions = [
        (node.end_lineno or node.lineno) - node.lineno + 1
        for text in texts
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    show("lines a function", functions)
    show(
        "characters a line",
        [len(line) for text in texts for line in text.splitlines() if line.strip()],
    )


def show(what: str, sizes: Sequence[int]) -> None:
    ordered = sorted(sizes)
    high = ordered[round(0.95 * (len(ordered) - 1))]
    median = statistics.median(ordered)
    print(f"{what}: median {median:g}, 95 % up to {high}, at most {ordered[-1]} ({len(ordered)})")


if __name__ == "__main__":
    main()
