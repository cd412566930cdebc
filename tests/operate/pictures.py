"""`python -m tests.operate.pictures`: the dashboards over a run in which the points worker was
stopped, drawn from Prometheus' answers to their own questions, as pictures under docs/dashboards.
"""

import tempfile
import time
from dataclasses import replace
from pathlib import Path

from app.config import ROOT
from ops.grafana.boards import BOARDS
from ops.grafana.panels import Board, Panel, Query
from tests.browser.merchant import chromium
from tests.faults.shoppers import bob_with
from tests.operate.drawing import Span, page
from tests.operate.observed import RATE_INTERVAL, Observed, busy, observed
from tests.waiting import wait_for

CALM_SECONDS, STOPPED_SECONDS, AFTER_SECONDS = 45.0, 40.0, 45.0
STEP_SECONDS = 1.0
ALIVE = 'max(holdfast_part_alive{process="points"}) == 1'
CHOSEN = {"process": "points", "service": "points"}


def main() -> None:
    with tempfile.TemporaryDirectory() as name, observed(Path(name)) as run:
        bob = bob_with(run.stack, 5_000)
        began = time.time()
        with busy(run.stack, bob):
            time.sleep(CALM_SECONDS)
            stopped_from = time.time()
            run.stack.stop("points")
            time.sleep(STOPPED_SECONDS)
            run.stack.start("points")
            wait_for("it lives", lambda: run.ask(ALIVE) != [], 60)
            stopped_until = time.time()
            time.sleep(AFTER_SECONDS)
        wait_for("it is over", lambda: bool(run.heard("PartSilent", "resolved")), 60)
        span = Span(began, time.time(), stopped_from, stopped_until)
        draw(run, span)


def draw(run: Observed, span: Span) -> None:
    told = sorted({one["labels"]["alertname"] for _, one in run.told})
    says = (
        "Drawn from Prometheus' own answers to this dashboard's questions, without Grafana. The "
        "points worker was stopped while the ground is red; alerts told meanwhile: "
        f"{', '.join(told)}."
    )
    folder = ROOT / "docs" / "dashboards"
    folder.mkdir(exist_ok=True)
    with chromium() as browser:
        tab = browser.new_page(viewport={"width": 1280, "height": 800})
        for board in (chosen(one) for one in BOARDS if one.source == "prometheus"):
            answers = {
                query.expr: run.range(query.expr, span.ended - span.began, STEP_SECONDS)
                for _, panels in board.rows
                for panel in panels
                for query in panel.queries
            }
            tab.set_content(page(board, f"{board.says} {says}", answers, span))
            tab.screenshot(path=folder / f"{board.uid}.png", full_page=True)
            print(f"docs/dashboards/{board.uid}.png")


def chosen(board: Board) -> Board:
    """The board with its variables chosen and Grafana's own interval put in."""

    def put_in(text: str) -> str:
        text = text.replace("$__rate_interval", RATE_INTERVAL)
        for name, value in CHOSEN.items():
            text = text.replace(f"${name}", value)
        return text

    def panel_of(panel: Panel) -> Panel:
        queries = tuple(Query(put_in(one.expr), one.legend) for one in panel.queries)
        return replace(panel, queries=queries)

    rows = tuple(
        (put_in(title), tuple(panel_of(panel) for panel in panels)) for title, panels in board.rows
    )
    return replace(board, rows=rows)


if __name__ == "__main__":
    main()
