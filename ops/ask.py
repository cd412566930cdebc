"""`python -m ops.ask health | deep | live | ready | FIGURE [WORD …]`: what web says of itself, in
words, or the figures whose names begin so, of those with these words.
"""

import argparse
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from http.client import HTTPException
from typing import Any

from app import secret_files
from ops import here

ANSWER_SECONDS = 8.0  # figures of a store that hangs take their deadlines
PROBES = ("health", "deep", "live", "ready")


def ask(what: str, words: Sequence[str]) -> tuple[int, str]:
    """The exit status and what to print. Raises SystemExit with a sentence when nobody answers."""
    path = "/metrics" if what not in PROBES else _path(what)
    token = secret_files.resolved(os.environ)[0].get("METRICS_TOKEN", "")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        status, text = _get(here.app_url() + path, headers)
    except (OSError, HTTPException) as error:
        why = getattr(error, "reason", "") or str(error) or type(error).__name__
        raise SystemExit(f"{here.app_url()} does not answer ({why}).") from None
    if status == HTTPStatus.UNAUTHORIZED:
        raise SystemExit("It does not know us: METRICS_TOKEN here is not that of web.")
    if what in PROBES:
        return int(status != HTTPStatus.OK), "\n".join(_board(json.loads(text)))
    lines = list(_figures(text, what, words))
    return 0, "\n".join(lines) or f"Nothing is told of {' '.join((what, *words))}."


def _get(url: str, headers: Mapping[str, str]) -> tuple[int, str]:
    # of the standard library: whoever looks for what is wrong waits for no larger one to be loaded
    asked = urllib.request.Request(url, headers=dict(headers))  # noqa: S310 - it is HOLDFAST
    try:
        with urllib.request.urlopen(asked, timeout=ANSWER_SECONDS) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.read().decode()


def _path(probe: str) -> str:
    return "/healthz" if probe == "health" else f"/healthz/{probe}"


def _figures(text: str, what: str, words: Sequence[str]) -> Iterator[str]:
    name = what if what.startswith("holdfast_") else f"holdfast_{what}"
    for line in text.splitlines():
        if line.startswith(name) and all(word in line for word in words):
            yield line.removeprefix("holdfast_")


def _board(found: Mapping[str, Any]) -> Iterator[str]:
    release = f", release {found['release']}" if "release" in found else ""
    yield f"{found['status']}{release}"
    for name, check in found.get("checks", {}).items():
        if isinstance(check, str):
            yield f"{name}: {check}"
            continue
        rest = {key: value for key, value in check.items() if key not in {"status", "seconds"}}
        figures = ", ".join(f"{key} {value}" for key, value in rest.items())
        yield f"{name}: {check['status']}{f' ({figures})' if figures else ''}"
    for name, one in found.get("services", {}).items():
        said = [f"{name}: {one['status']}", f"{one['lag_seconds']:.1f} s behind"]
        if one["stuck_seconds"]:
            said.append(f"has work and finishes none for {one['stuck_seconds']:.0f} s")
        if not one["reaches_database"]:
            said.append("does not reach the database")
        heard = f"last heard of {one['beat_at'][11:19]}" if one["beat_at"] else "never heard of"
        yield ", ".join((*said, heard))


def main() -> None:
    parser = argparse.ArgumentParser(prog="ops.ask", description=__doc__)
    parser.add_argument("what", metavar="health|deep|live|ready|FIGURE")
    parser.add_argument("words", nargs="*", help="only figures with these words in their line")
    given = parser.parse_args()
    code, said = ask(given.what, given.words)
    print(said)
    sys.exit(code)


if __name__ == "__main__":
    main()
