"""What a canary is judged by: letters of many shops, not the many of one."""

import pytest

from app.flow import ring_letters
from app.rings import ring_of
from app.telemetry import metrics


def counted(ring: str) -> float:
    return metrics.RING_LETTERS.labels(ring)._value.get()


@pytest.fixture(autouse=True)
def _anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ring_letters.time, "monotonic", lambda: 6_000.0)
    ring_letters._counted.clear()


def test_one_shop_that_sends_rubbish_counts_three_times_a_minute(monkeypatch) -> None:
    shop = "alice.myshopify.com"
    before = counted(ring_of(shop))
    for _ in range(20):
        ring_letters.count(shop)
    assert counted(ring_of(shop)) == before + ring_letters.SHOP_A_MINUTE
    monkeypatch.setattr(ring_letters.time, "monotonic", lambda: 6_061.0)
    ring_letters.count(shop)
    assert counted(ring_of(shop)) == before + ring_letters.SHOP_A_MINUTE + 1


def test_many_shops_count_each() -> None:
    rings = ("5", "25", "50", "100")
    before = sum(counted(ring) for ring in rings)
    for number in range(50):
        ring_letters.count(f"shop-{number}.myshopify.com")
    assert sum(counted(ring) for ring in rings) == before + 50
