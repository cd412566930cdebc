"""Dashboards, alerts and runbook: as they are generated, about what there is, with their pages."""

import json
import re
from pathlib import Path

import pytest

from app.config import ROOT
from app.services import PROCESSES
from local.processes import app_commands
from ops.grafana.boards import BOARDS
from ops.grafana.building import text_of
from ops.grafana.panels import Board

OPS = ROOT / "ops"
RUNBOOK = OPS / "runbook"
NO_PAGES = {"README.md", "incident.md"}
SECTIONS = [
    "What people see",
    "How to tell",
    "What to do",
    "How to know that it is over",
    "What to tell merchants",
]
# told by whoever makes backups and releases
OTHERS = {"holdfast_backup_age_seconds", "holdfast_canary_share"}
# pages of parts that no alert is about: what stands still with them has one
OF_PARTS = {"host-silent.md", "release-stuck.md"}
NAME = re.compile(r"\bholdfast_[a-z0-9_]+")
ALERTS = (OPS / "prometheus" / "alerts.yml").read_text(encoding="utf-8")
RULES = (OPS / "prometheus" / "rules.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_a_dashboard_is_as_its_generator_makes_it(board: Board) -> None:
    kept = OPS / "grafana" / f"{board.uid}.json"
    assert kept.read_text(encoding="utf-8") == text_of(board), "python -m ops.grafana writes it"
    made = json.loads(kept.read_text(encoding="utf-8"))
    panels = [one for one in made["panels"] if one["type"] != "row"]
    assert len(panels) == sum(len(of_row) for _, of_row in board.rows)
    assert all(one["targets"] and one["title"] for one in panels)


def metrics_there_are() -> set[str]:
    """The names in the house, with those Prometheus makes of a histogram."""
    said = {
        name
        for path in (ROOT / "app").rglob("*.py")
        for name in NAME.findall(path.read_text(encoding="utf-8"))
    }
    of_stores = {
        f"holdfast_{store}_{name}"
        for store in ("redis", "postgres")
        for name in re.findall(
            r'one\(\s*"([a-z_]+)"',
            (ROOT / "app" / "operations" / "servers.py").read_text(encoding="utf-8"),
        )
    }
    parts = {f"{name}_{part}" for name in said for part in ("bucket", "count", "sum")}
    return said | of_stores | parts | OTHERS


def test_rules_alerts_dashboards_and_runbook_ask_only_for_what_is_told() -> None:
    texts = [ALERTS, RULES, *(text_of(board) for board in BOARDS)]
    texts += [path.read_text(encoding="utf-8") for path in RUNBOOK.glob("*.md")]
    asked = {name for text in texts for name in NAME.findall(text)}
    assert len(asked) > 40
    # a page may grep for the beginning of several names
    there_are = metrics_there_are()
    unknown = {
        one
        for one in asked
        if one not in there_are and not any(x.startswith(one) for x in there_are)
    }
    assert unknown == set()


def test_what_rules_record_is_what_alerts_and_dashboards_ask_for() -> None:
    recorded = set(re.findall(r"record: (holdfast:\S+)", RULES))
    texts = ALERTS + "".join(text_of(board) for board in BOARDS)
    asked = set(re.findall(r"holdfast:[a-z0-9_]+(?::[a-z0-9]+)?", texts))
    assert asked <= recorded
    assert recorded - asked <= {"holdfast:is_behind"}, "nobody asks for these"


def test_each_alert_names_its_page_and_each_page_has_an_alert_or_a_part() -> None:
    alerts = re.findall(r"- alert: (\S+)", ALERTS)
    named = re.findall(r'runbook_url: "ops/runbook/(.+?)"', ALERTS)
    assert len(named) == len(alerts) > 50
    pages = {
        page.replace("{{ $labels.process }}", process) for page in named for process in PROCESSES
    }
    assert {page for page in pages if not (RUNBOOK / page).exists()} == set()
    there_are = {path.name for path in RUNBOOK.glob("*.md")} - NO_PAGES
    assert there_are - pages == OF_PARTS
    index = (RUNBOOK / "README.md").read_text(encoding="utf-8")
    assert {page for page in there_are if f"]({page})" not in index} == set()


def test_each_process_has_a_page() -> None:
    for name in app_commands():
        page = "release-stuck.md" if name == "release" else f"part-{name}.md"
        assert (RUNBOOK / page).exists(), f"{name}: what does whoever is called at night do?"
        assert f"python -m workers.{name}" in (RUNBOOK / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted(set(RUNBOOK.glob("*.md"))), ids=lambda path: path.stem)
def test_a_page_has_its_sections_and_names_only_what_there_is(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if path.name not in NO_PAGES:
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
        assert "```sh" in text.partition("## How to tell")[2].partition("## What to do")[0]
    for link in re.findall(r"\]\(([a-z-]+\.md)\)", text):
        assert (RUNBOOK / link).exists(), link
    for module in re.findall(r"python -m ([a-z_.]+[a-z])", text):
        place = ROOT / Path(*module.split("."))
        assert place.with_suffix(".py").exists() or (place / "__main__.py").exists(), module
