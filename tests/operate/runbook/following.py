"""The runbook followed word by word: the commands of a page as they stand there, and what their
answers must hold.
"""

import asyncio
import functools
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from app.config import ROOT
from tests.faults.beside import Beside
from tests.faults.redises import OwnRedis
from tests.stack import Stack
from tests.waiting import wait_for

T = TypeVar("T", bound=Callable[..., object])
FOLDER = ROOT / "ops" / "runbook"
PAGES = sorted(path.stem for path in FOLDER.glob("*.md") if path.stem not in {"README", "incident"})
TELL, DO, OVER = "How to tell", "What to do", "How to know that it is over"
SECONDS = 40.0
COMMAND_SECONDS = 150
CLOSED_SECONDS = 0.1
made: set[str] = set()  # pages whose fault some test makes
seen: list[tuple[str, str, float]] = []  # page, section and how long it took, for the proof


def makes(*pages: str) -> Callable[[T], T]:
    """Marks a test that really makes the fault of these pages."""
    made.update(pages)

    def mark(test: T) -> T:
        return test

    return mark


def commands(page: str, section: str) -> list[tuple[str, list[str]]]:
    """The commands of a section, each with what its answer must hold."""
    text = (FOLDER / f"{page}.md").read_text(encoding="utf-8")
    part = re.split(r"^## ", text.partition(f"## {section}\n")[2], flags=re.MULTILINE)[0]
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"^```sh\n(.*?)^```", part, re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            if line.startswith("#> "):
                found[-1][1].append(line.removeprefix("#> "))
            elif line:
                found.append((line, []))
    return found


class Reader:
    """Somebody with a page, beside a stack; `names` are put in the place of those in examples,
    `settings` are of their shell.
    """

    def __init__(self, stack: Stack, **settings: str) -> None:
        self.stack, self.settings = stack, settings

    def tells(self, page: str, names: Mapping[str, str] | None = None) -> None:
        """The fault is there, and each command of "How to tell" says so."""
        self._follow(page, TELL, SECONDS, names or {})

    def does(self, page: str, names: Mapping[str, str] | None = None) -> None:
        """What the page says to do."""
        self._follow(page, DO, SECONDS, names or {})

    def is_over(
        self, page: str, seconds: float = 60, names: Mapping[str, str] | None = None
    ) -> None:
        """Each command says that it is over, within so long."""
        self._follow(page, OVER, seconds, names or {})

    def _follow(self, page: str, section: str, seconds: float, names: Mapping[str, str]) -> None:
        began = time.monotonic()
        for command, wanted in commands(page, section):
            answer = [""]
            for name, other in names.items():
                command = command.replace(name, other)  # noqa: PLW2901 - as whoever reads it does

            def as_written(
                command: str = command, wanted: list[str] = wanted, answer: list[str] = answer
            ) -> bool:
                code, answer[0] = said(self.stack, command, self.settings)
                # what finds something wrong ends with 1, having said what the page says it does
                is_answer = code == 0 or (code == 1 and wanted and "Traceback" not in answer[0])
                return bool(is_answer) and all(one in answer[0] for one in wanted)

            asked = f"{page}, {section}, {command}: {wanted}"
            wait_for(asked, as_written, seconds, functools.partial(str, answer))
        seen.append((page, section, time.monotonic() - began))


def said(stack: Stack, command: str, settings: Mapping[str, str]) -> tuple[int, str]:
    """What a shell beside the stack says to a command, and its exit status."""
    folder = Path(sys.executable).parent
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=ROOT,
        env={
            **stack.environment,
            "HOLDFAST": stack.app_url,
            "PATH": f"{folder}:{os.environ['PATH']}",
            **settings,
        },
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
    )
    return done.returncode, done.stdout + done.stderr


class House(Reader):
    """The stack most faults are made in: with an archive, caches in a Redis of their own, and one
    folder of metrics.
    """

    def __init__(self, stack: Stack, cache: OwnRedis) -> None:
        super().__init__(stack)
        self.cache = cache

    def restart_web(self, **settings: str) -> None:
        """With these settings besides; with none as it was."""
        self.stack.stop("web")
        for name in self.settings.keys() - settings.keys():
            self.stack.environment.pop(name, None)
        self.settings = settings
        self.stack.environment.update(settings)
        self.stack.start("web")

    def is_well(self) -> bool:
        found = self.stack.health()
        return found.get("status") == "ok"


class Stranger(Beside):
    """Somebody else's sessions at our Postgres, under the name that the pages have."""

    def begin(self, *statements: str, name: str = "nightly report") -> None:
        """A transaction with these statements, left open."""
        settings = {
            "application_name": name,
            "idle_in_transaction_session_timeout": "0",
            "transaction_timeout": "0",
        }
        for setting, value in settings.items():
            self.execute(f"SET {setting} = '{value}'")
        self.execute("BEGIN")
        for statement in statements:
            self.execute(statement)

    def close(self) -> None:
        """Its session may have been ended by somebody else: then its socket is left to us."""
        self.connection.terminate()
        self.run(asyncio.sleep(CLOSED_SECONDS))
        self.loop.close()
