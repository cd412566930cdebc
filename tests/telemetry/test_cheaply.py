"""What is done at once or left out because it costs: the same comes out."""

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from app.telemetry import metrics, redaction


def test_many_observations_at_once_are_what_each_would_have_been() -> None:
    bounds = (0.06, 0.5, 5.0)
    registry = CollectorRegistry()
    each = Histogram("each_seconds", "x", registry=registry, buckets=bounds)
    all_at_once = Histogram("all_seconds", "x", registry=registry, buckets=bounds)
    seconds = [0.0, 0.06, 0.0601, 0.5, 0.7, 5.0, 99.0, 0.06]
    for one in seconds:
        each.observe(one)
    metrics.observe_all(all_at_once, seconds)
    metrics.observe_all(all_at_once, [])
    told = generate_latest(registry).decode()
    lines = [one for one in told.splitlines() if not one.startswith("#") and "created" not in one]
    assert [one.replace("each_", "") for one in lines if "each_" in one] == [
        one.replace("all_", "") for one in lines if "all_" in one
    ]


@pytest.mark.parametrize(
    "secret",
    ["shpat_a1", "eyJa.b.c", "Bearer abc", "?code=1", "://u:p@h", "bob@example.com"],
)
def test_what_is_of_letters_and_digits_alone_is_no_secret(secret: str) -> None:
    assert not secret.isalnum()
    assert redaction.scrub(secret) != secret
    assert redaction.scrub("4bf92f3577b34da6") == "4bf92f3577b34da6"
