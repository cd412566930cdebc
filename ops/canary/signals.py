"""What Prometheus knows of canary and stable over a window: counted at the router, so that a
process that died counts, too.
"""

from dataclasses import dataclass
from typing import Any

import httpx

from app.rings import STEPS

TIMEOUT_SECONDS = 2.0
# quiet routes: asked by machines, and equally fast in any release
QUIET = "/healthz|/metrics|/static"
RESPONSES = (
    'sum by (proxy, code) (increase(haproxy_backend_http_responses_total{{proxy=~"stable|canary"}}'
    "[{window}s]))"
)
P99 = (
    "histogram_quantile(0.99, sum by (track, le) (rate(holdfast_request_seconds_bucket"
    '{{route!~"{quiet}"}}[{window}s])))'
)
LETTERS = "sum by (ring) (increase(holdfast_ring_letters_total[{window}s]))"
MEMORY = "max by (track) (holdfast_resident_bytes)"
RELEASES = "max by (track, release) (holdfast_release)"
SERVERS = 'sum(haproxy_backend_active_servers{proxy="canary"})'


class BlindError(Exception):
    """Prometheus does not answer, or does not know the router."""


@dataclass(frozen=True, slots=True)
class Side:
    """One release over the window; None is what is not known."""

    requests: float
    failed: float  # answers of 5xx
    p99_seconds: float | None
    letters: float | None  # of its shops
    resident_bytes: float | None


@dataclass(frozen=True, slots=True)
class Look:
    canary: Side
    stable: Side
    canary_servers: int


class Signals:
    """Asks the Prometheus at `url`."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS)

    def look(self, window_seconds: int, share: int) -> Look:
        """Canary, which has `share` in parts of 10,000, and stable over the last seconds.

        Raises BlindError.
        """
        answers = self._ask(RESPONSES.format(window=window_seconds))
        servers = self._ask(SERVERS)
        if not answers or not servers:
            raise BlindError("Prometheus does not know the router.")
        p99 = _by("track", self._ask(P99.format(window=window_seconds, quiet=QUIET)))
        rings = _by("ring", self._ask(LETTERS.format(window=window_seconds)))
        memory = _by("track", self._ask(MEMORY))

        def side(track: str, letters: float | None) -> Side:
            counts = _by("code", [one for one in answers if one[0].get("proxy") == track])
            requests = sum(counts.values())
            return Side(
                requests, counts.get("5xx", 0.0), p99.get(track), letters, memory.get(track)
            )

        return Look(
            side("canary", _letters(rings, share, of_canary=True)),
            side("stable", _letters(rings, share, of_canary=False)),
            int(servers[0][1]),
        )

    def releases(self, track: str) -> set[str]:
        """The names of the builds that `track` runs now, none where nothing is known of it. Raises
        BlindError.
        """
        answers = [labels for labels, _ in self._ask(RELEASES) if labels.get("track") == track]
        return {labels["release"] for labels in answers if "release" in labels}

    def _ask(self, query: str) -> list[tuple[dict[str, str], float]]:
        try:
            answer = self.http.get("/api/v1/query", params={"query": query})
            found: dict[str, Any] = answer.raise_for_status().json()
            results = found["data"]["result"]
            pairs = [(one["metric"], float(one["value"][1])) for one in results]
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise BlindError(f"Prometheus does not answer: {type(error).__name__}.") from error
        return [(labels, value) for labels, value in pairs if value == value]  # noqa: PLR0124 - NaN


def _by(label: str, found: list[tuple[dict[str, str], float]]) -> dict[str, float]:
    return {labels[label]: value for labels, value in found if label in labels}


def _letters(rings: dict[str, float], share: int, *, of_canary: bool) -> float | None:
    """A canary has whole rings: those whose step its share has reached."""
    if not rings:
        return None
    return sum(value for ring, value in rings.items() if (STEPS[ring] <= share) == of_canary)
