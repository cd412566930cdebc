"""Dashboards and alerts over a real run: every question has an answer, and a part that stops calls
somebody and says when it is over.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.grafana.boards import BOARDS
from tests.faults.shoppers import bob_with
from tests.operate.observed import Observed, busy, expressions, observed
from tests.operate.parts import needed
from tests.waiting import seconds_until, wait_for

pytestmark = pytest.mark.operate


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    needed("prometheus", "prometheus-alertmanager")
    folder: Path = tmp_path_factory.mktemp("observed")
    with observed(folder) as found:
        yield found


def test_each_panel_of_each_dashboard_has_an_answer_from_a_real_run(run: Observed) -> None:
    stack = run.stack
    bob = bob_with(stack, 500)
    with busy(stack, bob):
        time.sleep(4)
        stack.stop("redis")  # calls that are not well are a panel, too
        time.sleep(2)
        stack.start("redis")
        asked = [
            pair for board in BOARDS if board.source == "prometheus" for pair in expressions(board)
        ]
        left = set(asked)

        def all_answered() -> bool:
            left.difference_update(pair for pair in list(left) if run.ask(pair[1]))
            return not left

        wait_for("every panel has an answer", all_answered, 60, lambda: str(sorted(left)))
    print(f"\n{len(asked)} expressions answered")


def test_a_part_that_stops_calls_the_pager_and_is_over_when_it_is_back(run: Observed) -> None:
    stack = run.stack
    wait_for("it is calm", lambda: run.ask("min(holdfast_part_alive) == 1") != [], 30)
    assert run.heard("PartSilent", "firing") == []
    stack.stop("points")
    fired = seconds_until(
        "the pager hears of it", lambda: "pager" in run.heard("PartSilent", "firing"), 60
    )
    alert = next(one for _, one in run.told if one["labels"]["alertname"] == "PartSilent")
    assert alert["labels"]["process"] == "points"
    assert alert["annotations"]["runbook_url"] == "ops/runbook/part-points.md"
    assert "tickets" not in run.heard("PartSilent", "firing")
    stack.start("points")
    ended = seconds_until(
        "and that it is over", lambda: "pager" in run.heard("PartSilent", "resolved"), 60
    )
    print(f"\ntold after {fired:.1f} s, over {ended:.1f} s after it was started again")
