"""Dashboards and alerts over a real run: every question has an answer, and a part that stops calls
somebody and says when it is over.
"""

import functools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.grafana.boards import BOARDS
from tests.faults.beside import Beside
from tests.faults.shoppers import bob_with
from tests.operate.observed import Observed, busy, expressions, observed
from tests.operate.parts import needed
from tests.stack import SECRET, SHOP
from tests.waiting import seconds_until, wait_for
from tests.webhook import signed_headers

pytestmark = pytest.mark.operate
TOLD_SECONDS = 90.0
REFUSED = 80  # below fifty an hour nobody is called
AGED = """
INSERT INTO backup_marks VALUES ('backup', now() - $1::float8 * interval '1 hour', 'told')
 ON CONFLICT (name) DO UPDATE SET at = excluded.at
"""


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


@pytest.fixture
def beside(run: Observed) -> Iterator[Beside]:
    found = Beside(run.stack)
    yield found
    found.close()


def is_calm(run: Observed, alert: str) -> bool:
    return run.ask(f'ALERTS{{alertname="{alert}"}}') == []


def told(run: Observed, receiver: str, alert: str, status: str) -> float:
    """How long it took until `receiver` was told, oldest calls included."""
    return seconds_until(
        f"{receiver} hears that {alert} is {status}",
        lambda: receiver in run.heard(alert, status),
        TOLD_SECONDS,
    )


def test_somebody_always_hears_that_it_watches(run: Observed) -> None:
    told(run, "watchdog", "Watchdog", "firing")
    assert set(run.heard("Watchdog", "firing")) == {"watchdog"}, "and nobody else is bothered"


def test_a_store_that_is_away_calls_the_pager_and_mutes_what_follows_from_it(run: Observed) -> None:
    stack = run.stack
    for alert in ("RedisAway", "WebhooksSpilled"):
        wait_for("it is calm", functools.partial(is_calm, run, alert), TOLD_SECONDS)
    # an earlier test stopped Redis, too: what it made somebody hear is over
    wait_for(
        "calls of before are over",
        lambda: (
            len(run.heard("WebhooksSpilled", "firing"))
            == len(run.heard("WebhooksSpilled", "resolved"))
        ),
        TOLD_SECONDS,
    )
    heard_before = len(run.heard("WebhooksSpilled", "firing"))
    bob = stack.customer()
    stack.stop("redis")
    stack.order(bob, "30.00")
    fired = told(run, "pager", "RedisAway", "firing")
    wait_for("webhooks wait", lambda: not is_calm(run, "WebhooksSpilled"), TOLD_SECONDS)
    time.sleep(3)  # as long as any call takes from there
    assert len(run.heard("WebhooksSpilled", "firing")) == heard_before, "one call is enough"
    stack.start("redis")
    over = told(run, "pager", "RedisAway", "resolved")
    # a campaign of another test may give more besides
    wait_for("the order's points", lambda: stack.me(bob)["points"]["available"] >= 30, 60)
    print(f"\nRedisAway: told after {fired:.1f} s, over {over:.1f} s after it was started")


def test_what_is_set_aside_makes_a_ticket_until_somebody_sees_to_it(
    run: Observed, beside: Beside
) -> None:
    body = b'{"id": "no order at all"}'
    headers = signed_headers(body, "orders/paid", SHOP, SECRET)
    answer = run.stack.http.post(f"{run.stack.app_url}/webhooks", content=body, headers=headers)
    assert answer.status_code == 200
    fired = told(run, "tickets", "LettersDead", "firing")
    assert "pager" not in run.heard("LettersDead", "firing")
    beside.execute("UPDATE dead_letters SET state = 'discarded' WHERE state = 'dead'")
    over = told(run, "tickets", "LettersDead", "resolved")
    print(f"\nLettersDead: told after {fired:.1f} s, over {over:.1f} s after it was dismissed")


def test_a_backup_that_grows_old_is_a_ticket_then_a_call_then_over(
    run: Observed, beside: Beside
) -> None:
    beside.execute(AGED, 30.0)
    told(run, "tickets", "BackupOld", "firing")
    assert "pager" not in run.heard("BackupOld", "firing")
    beside.execute(AGED, 60.0)
    told(run, "pager", "BackupOld", "firing")
    beside.execute(AGED, 0.0)
    told(run, "pager", "BackupOld", "resolved")
    told(run, "tickets", "BackupOld", "resolved")


def test_webhooks_that_neither_store_takes_call_the_pager_by_their_share(run: Observed) -> None:
    stack = run.stack
    stack.stop("redis", "postgres")
    refused = 0
    for number in range(REFUSED):
        body = b'{"id": %d}' % number
        headers = signed_headers(body, "themes/publish", SHOP, SECRET)
        answer = stack.http.post(f"{stack.app_url}/webhooks", content=body, headers=headers)
        refused += answer.status_code == 503
    assert refused > REFUSED / 2
    fired = told(run, "pager", "WebhooksRefused", "firing")
    alert = next(one for _, one in run.told if one["labels"]["alertname"] == "WebhooksRefused")
    assert alert["annotations"]["runbook_url"] == "ops/runbook/webhooks-refused.md"
    stack.start("redis", "postgres")
    wait_for("it is well", lambda: stack.health().get("status") == "ok", 120)
    print(f"\nWebhooksRefused: {refused} of {REFUSED} refused, told after {fired:.1f} s")
