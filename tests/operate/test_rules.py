"""Rules and alerts, read and tried by Prometheus' own tool."""

import subprocess
from pathlib import Path

import pytest

from app.config import ROOT
from ops.grafana.boards import BOARDS
from tests.operate.observed import expressions
from tests.operate.parts import needed

pytestmark = pytest.mark.operate
FOLDER = ROOT / "ops" / "prometheus"


def tool(program: str, *arguments: str, folder: Path = FOLDER) -> None:
    needed(program)
    done = subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_understands_its_settings_rules_and_alerts() -> None:
    tool("promtool", "check", "config", "prometheus.yml")


def test_each_alert_fires_when_it_should_and_is_silent_when_it_should() -> None:
    tool("promtool", "test", "rules", "tests.yml")


def test_alertmanager_understands_the_example_and_sends_what_is_urgent_to_the_pager() -> None:
    folder = ROOT / "ops" / "alertmanager"
    tool("amtool", "check-config", "alertmanager.yml", folder=folder)
    for severity, receiver in (("page", "pager"), ("ticket", "tickets")):
        tool(
            "amtool",
            "config",
            "routes",
            "test",
            "--config.file=alertmanager.yml",
            f"--verify.receivers={receiver}",
            "alertname=PartSilent",
            f"severity={severity}",
            folder=folder,
        )


def test_each_question_of_a_dashboard_is_one_prometheus_understands(tmp_path: Path) -> None:
    asked = [
        expr for board in BOARDS if board.source == "prometheus" for _, expr in expressions(board)
    ]
    rules = "".join(f"  - record: r{at}\n    expr: {expr!r}\n" for at, expr in enumerate(asked))
    (tmp_path / "asked.yml").write_text(f"groups:\n- name: asked\n  rules:\n{rules}")
    tool("promtool", "check", "rules", "asked.yml", folder=tmp_path)
    assert len(asked) > 60
