"""Every figure there is to be, one by one, in a real run: there, right after a known deed, and of
as many series as before, whatever shops, addresses and topics the world sends.
"""

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families as families

from app.services import PROCESSES, SERVICES
from benchmarks import orders, sides
from tests.faults.beside import Beside
from tests.faults.shoppers import redeem
from tests.faults.test_campaigns_away import for_orders
from tests.faults.test_referrals_down import claim, link_of, new_member
from tests.living import living
from tests.stack import SHOP, Stack
from tests.waiting import wait_for
from tests.webhook import signed_headers

pytestmark = pytest.mark.operate
MANY = 10_000
Figures = dict[str, float]  # by name and labels: `holdfast_x{a="b"}`


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    counted: Path = tmp_path_factory.mktemp("counted")
    settings = {"PROMETHEUS_MULTIPROC_DIR": str(counted), "SHOPIFY_API_SECRET": orders.SECRET}
    with living(**settings) as stack:
        yield stack


@pytest.fixture
def beside(run: Stack) -> Iterator[Beside]:
    found = Beside(run)
    yield found
    found.close()


def figures(stack: Stack) -> Figures:
    answer = stack.http.get(f"{stack.app_url}/metrics")
    assert answer.status_code == 200
    found = {}
    for family in families(answer.text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def wait_until(stack: Stack, name: str, least: float, seconds: float = 30) -> None:
    """Until a figure is at least so much."""
    wait_for(
        f"{name} of {least}",
        lambda: figures(stack).get(name, 0.0) >= least,
        seconds,
        lambda: f"it is {figures(stack).get(name)}",
    )


def wait_for_more(stack: Stack, before: Figures, more: dict[str, float]) -> None:
    """Until these have risen by so much, and no further."""

    def risen() -> dict[str, float]:
        now = figures(stack)
        return {name: now.get(name, 0.0) - before.get(name, 0.0) for name in more}

    wait_for("each rose as it was to", lambda: risen() == more, 30, lambda: str(risen()))


def test_what_a_shop_and_its_shoppers_do_is_counted_once_each(run: Stack) -> None:
    for_orders(run, "Weekend")
    bob = run.customer()
    run.order(bob, "500.00")
    run.wait_for_points(bob, 525, 60)
    link = link_of(run, new_member(run))
    before = figures(run)

    run.order(bob, "100.00")
    run.wait_for_points(bob, 650, 60)
    assert redeem(run, bob).status_code == 200
    claim(run, link, f"charlie-{uuid.uuid4().hex[:8]}@example.com")
    for _ in range(3):
        run.open_admin("/customers")
    body = json.dumps({"id": 5}).encode()
    for _ in range(2):  # the same delivery
        headers = signed_headers(body, "nothing/known", SHOP, orders.SECRET, "the-same")
        assert run.http.post(f"{run.app_url}/webhooks", content=body, headers=headers).is_success
    headers = signed_headers(body, "orders/paid", SHOP, "not-the-secret")
    assert run.http.post(f"{run.app_url}/webhooks", content=body, headers=headers).is_client_error

    wait_for_more(
        run,
        before,
        {
            'holdfast_requests_total{route="/customers",status="2xx"}': 3,
            'holdfast_request_seconds_count{route="/customers"}': 3,
            'holdfast_webhooks_total{outcome="duplicate"}': 1,
            'holdfast_webhooks_total{outcome="bad_digest"}': 1,
            'holdfast_ingested_total{outcome="unknown"}': 1,
            'holdfast_facts_total{topic="order.paid"}': 1,
            'holdfast_facts_total{topic="points.spent"}': 1,
            'holdfast_facts_total{topic="referral.created"}': 1,
            'holdfast_postings_total{effect="earn"}': 1,
            'holdfast_postings_total{effect="hold"}': 1,
            'holdfast_postings_total{effect="capture"}': 1,
        },
    )
    now = figures(run)
    assert now['holdfast_campaigns{state="live"}'] == 1
    assert now["holdfast_held_redemptions"] == 0
    assert 0 < now["holdfast_cache_hit_ratio"] <= 1
    assert now['holdfast_redis_hits_total{store="cache"}'] > 0
    for name in ("admit", "ingest", "consume"):
        assert now[f'holdfast_road_seconds_count{{stage="{name}"}}'] > 0
    for one in SERVICES:
        assert f'holdfast_consumer_lag_events{{service="{one.name}"}}' in now
        assert f'holdfast_dead_letters_waiting{{service="{one.name}",state="dead"}}' in now
    for process in PROCESSES:
        assert now[f'holdfast_part_alive{{process="{process}"}}'] == 1
        assert now[f'holdfast_process_cpu_seconds_total{{process="{process}"}}'] > 0
        assert now[f'holdfast_process_memory_bytes{{process="{process}"}}'] > 10**7
    most = {name: value for name, value in now.items() if 'state="most"' in name}
    assert any(name.startswith("holdfast_tickets{") for name in most)
    assert any(name.startswith("holdfast_connections{") for name in most)
    assert all(value > 0 for value in most.values())
    jobs = {name: value for name, value in now.items() if name.startswith("holdfast_jobs_total{")}
    assert sum(jobs.values()) > 0
    assert any(name.startswith("holdfast_breaker_state{") for name in now)


def test_what_waits_shows_with_its_age_and_is_gone_when_it_is_done(
    run: Stack, beside: Beside
) -> None:
    bob = run.customer()
    before = figures(run)
    run.pause("ingest")
    run.order(bob, "10.00")
    wait_until(run, "holdfast_lane_depth", 1)
    wait_until(run, "holdfast_lane_oldest_age_seconds", 1)
    run.resume("ingest")

    run.stop("points")
    run.order(bob, "10.00")
    wait_until(run, 'holdfast_consumer_lag_events{service="points"}', 1)
    wait_until(run, 'holdfast_consumer_lag_seconds{service="points"}', 1)
    run.start("points")

    beside.execute("BEGIN; SELECT pg_current_xact_id()")
    wait_until(run, "holdfast_log_held_up_seconds", 2)
    assert figures(run)['holdfast_log_holder_seconds{by="other"}'] >= 2
    beside.execute("ROLLBACK")

    body = b'{"id": "none"}'
    headers = signed_headers(body, "orders/paid", SHOP, orders.SECRET)
    assert run.http.post(f"{run.app_url}/webhooks", content=body, headers=headers).is_success
    wait_for_more(run, before, {'holdfast_dead_letters_total{service="ingest"}': 1})

    assert "holdfast_backup_age_seconds" not in before, "absent until there was one"
    marks = "INSERT INTO backup_marks VALUES ('backup', now() - interval '1 hour', '')"
    beside.execute(marks)
    assert 3_600 <= figures(run)["holdfast_backup_age_seconds"] < 3_700

    def is_over() -> bool:
        now = figures(run)
        gone = ("holdfast_lane_depth", 'holdfast_consumer_lag_events{service="points"}')
        return not any(now[name] for name in (*gone, "holdfast_log_held_up_seconds"))

    wait_for("it is over", is_over, 60)
    wait_for("both orders count", lambda: run.me(bob)["points"]["available"] >= 20, 30)

    run.stop("redis")
    wait_for(
        "a circuit is open",
        lambda: (
            run.me(bob) is not None
            and any(
                value == 2
                for name, value in figures(run).items()
                if name.startswith("holdfast_breaker_state{")
            )
        ),
        30,
    )
    run.start("redis")
    wait_for("all is well", lambda: run.health().get("status") == "ok", 60)


@pytest.mark.long
def test_ten_thousand_shops_and_all_that_anybody_types_make_no_series(run: Stack) -> None:
    job = {"port": run.ports["web"], "connections": 32}
    bob = run.customer()
    run.order(bob, "10.00")
    wait_for("it counts", lambda: run.me(bob)["points"]["available"] >= 10, 30)
    sides.load({**job, "count": 200, "shops": 50, "first_id": 6 * 10**9})
    type_anything(run)
    time.sleep(3)  # every process has told how it is
    known = set(figures(run))

    sides.load({**job, "count": MANY, "shops": MANY, "first_id": 7 * 10**9})
    for _ in range(100):
        type_anything(run)
    wait_for("all is drained", lambda: figures(run)["holdfast_lane_depth"] == 0, 120)
    new = set(figures(run)) - known
    assert not [name for name in new if "myshopify" in name or "odd" in name], new
    assert len(new) < 40, new  # of what had not happened before: another work, another outcome


def type_anything(run: Stack) -> None:
    """What nobody made a route, a topic or a shop for."""
    odd = f"odd{uuid.uuid4().hex}"
    shop = f"{odd}.myshopify.com"
    run.http.get(f"{run.app_url}/{odd}")
    run.http.get(f"{run.app_url}/customers/{odd}?{odd}=1")
    run.http.request(odd.upper(), f"{run.app_url}/webhooks")
    run.http.get(f"{run.app_url}/storefront/{odd}", params={"shop": shop})
    run.http.post(f"{run.app_url}/errors", content=odd)
    for topic in (f"odd/{odd}", f"orders/{odd}"):
        headers = signed_headers(b"{}", topic, shop, orders.SECRET)
        run.http.post(f"{run.app_url}/webhooks", content=b"{}", headers=headers)
