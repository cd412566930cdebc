"""Of a checkout that was never run each process of a test run compiles a part before it collects,
and finds the others compiled; else each would compile everything.
"""

import compileall
from pathlib import Path

import pytest
from _pytest.assertion import rewrite

from app.config import ROOT

FOLDERS = ("app", "devstore", "workers", "local", "ops", "migrations", "tests")


def share(config: pytest.Config) -> None:
    """Compile the part of this process of `config`, where there are several."""
    run = getattr(config, "workerinput", None)
    if run is None:
        return
    number, count = int(run["workerid"].removeprefix("gw")), run["workercount"]
    for path in sorted(path for name in FOLDERS for path in (ROOT / name).rglob("*.py"))[
        number::count
    ]:
        if path.name.startswith("test_") or path.name == "conftest.py":
            _rewrite(path, config)
        else:
            compileall.compile_file(path, quiet=1)


def _rewrite(path: Path, config: pytest.Config) -> None:
    """What pytest does to a module before it runs it, whose asserts tell what they found."""
    compiled = rewrite.get_cache_dir(path) / (path.name.removesuffix(".py") + rewrite.PYC_TAIL)
    if rewrite._read_pyc(path, compiled) is None:
        compiled.parent.mkdir(exist_ok=True)
        source_hash, code = rewrite._rewrite_test(path, config)
        rewrite._write_pyc(config.stash[rewrite.assertstate_key], code, source_hash, compiled)
