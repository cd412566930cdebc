"""Rules and alerts, read and tried by Prometheus' own tool."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

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


@pytest.mark.parametrize("name", ["tests.yml", "cycles.yml"])
def test_each_alert_fires_when_it_should_and_is_silent_when_it_should(name: str) -> None:
    tool("promtool", "test", "rules", name)


def rules_of_alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_each_alert_is_tried_once_round_silent_firing_and_over() -> None:
    tried = yaml.safe_load((FOLDER / "cycles.yml").read_text(encoding="utf-8"))["tests"]
    rounds = set()
    for one in tried:
        seen = [
            (case["alertname"], [alert["exp_labels"]["severity"] for alert in case["exp_alerts"]])
            for case in one["alert_rule_test"]
        ]
        if len(seen) == len(("silent", "firing", "over")) and not seen[0][1] and not seen[2][1]:
            rounds |= {(seen[1][0], severity) for severity in seen[1][1]}
    wanted = {(rule["alert"], rule["labels"]["severity"]) for rule in rules_of_alerts()}
    assert wanted - rounds == {("Watchdog", "heartbeat")}, "it always fires"


def test_a_ticket_is_no_page_and_a_page_has_a_page_of_the_runbook() -> None:
    for rule in rules_of_alerts():
        assert rule["labels"]["severity"] in {"page", "ticket", "heartbeat"}
        assert rule["annotations"]["runbook_url"].startswith("ops/runbook/")
        assert rule["annotations"]["summary"]


def test_alertmanager_understands_the_example_and_sends_what_is_urgent_to_the_pager() -> None:
    folder = ROOT / "ops" / "alertmanager"
    tool("amtool", "check-config", "alertmanager.yml", folder=folder)
    for severity, receiver in (
        ("page", "pager"),
        ("ticket", "tickets"),
        ("heartbeat", "watchdog"),
    ):
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
