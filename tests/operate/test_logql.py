"""The merchant's board asks Loki in LogQL that Grafana's own grammar takes."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from ops.grafana.boards import BOARDS
from tests.operate.observed import expressions
from tests.operate.parts import needed

pytestmark = pytest.mark.operate
GRAMMAR = "@grafana/lezer-logql@0.4.2"
INSTALL_SECONDS = 120
PARSE = Path(__file__).with_name("logql.mjs")


@pytest.fixture(scope="module")
def grammar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needed("npm", "node")
    folder = tmp_path_factory.mktemp("logql")
    command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), GRAMMAR]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
    )
    if done.returncode:
        pytest.skip(f"{GRAMMAR} could not be had here")
    shutil.copy(PARSE, folder)
    return folder / PARSE.name


def wrong(grammar: Path, queries: list[str]) -> list[str]:
    """Those of them that are no LogQL."""
    asked = json.dumps(queries)
    done = subprocess.run(
        ["node", grammar], input=asked, capture_output=True, text=True, timeout=60, check=True
    )
    found: list[str] = json.loads(done.stdout)
    return found


def test_each_question_of_a_board_over_the_log_is_logql(grammar: Path) -> None:
    boards = [one for one in BOARDS if one.source == "loki"]
    queries = [expr for board in boards for _, expr in expressions(board)]
    assert len(queries) >= 6
    assert wrong(grammar, queries) == []


def test_what_is_no_logql_is_found(grammar: Path) -> None:
    well = 'sum by (level) (count_over_time({service_namespace="holdfast"} | json [1m]))'
    planted = [well.replace("[1m]", ""), well.replace("json", "jsn"), f"{well})"]
    assert wrong(grammar, [well, *planted]) == planted
