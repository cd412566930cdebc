"""What Prometheus knows of canary and stable: counted at the router, so that a process that died
counts, too.
"""

import math
import time
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec

from app.rings import STEPS

TIMEOUT_SECONDS = 2.0
ANSWER_BYTES_MAX = 1_000_000
# quiet routes: asked by machines, and equally fast in any release
QUIET = "/healthz.*|/metrics|/static"
SLOW_SECONDS = (0.25, 0.5, 1.0, 2.5)  # what the router counts by
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
# as they stand, in one question
COUNTED = (
    'sum by (proxy, code) (haproxy_backend_http_responses_total{proxy=~"stable|canary"})'
    " or sum by (proxy, longer) (holdfast_routed_total)"
    " or sum by (ring) (holdfast_ring_letters_total)"
)

Labelled = list[tuple[dict[str, str], float]]


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


@dataclass(frozen=True, slots=True)
class Tally:
    """What one release has counted since its processes started."""

    requests: float
    failed: float
    timed: float  # requests whose time it knows, and
    slow: dict[float, float]  # those of them that took longer, by seconds
    letters: float


@dataclass(frozen=True, slots=True)
class Counts:
    canary: Tally
    stable: Tally


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

    def counts(self, share: int) -> Counts:
        """What both have counted until now. Raises BlindError."""
        found = self._ask(COUNTED)
        rings = _by("ring", found)
        return Counts(
            _tally("canary", found, _letters(rings, share, of_canary=True)),
            _tally("stable", found, _letters(rings, share, of_canary=False)),
        )

    def releases(self, track: str) -> set[str]:
        """The names of the builds that `track` runs now, none where nothing is known of it. Raises
        BlindError.
        """
        answers = [labels for labels, _ in self._ask(RELEASES) if labels.get("track") == track]
        return {labels["release"] for labels in answers if "release" in labels}

    def _ask(self, query: str) -> Labelled:
        try:
            found: Any = msgspec.json.decode(self._answer(query))
            results = found["data"]["result"]
            pairs = [(dict(one["metric"]), float(one["value"][1])) for one in results]
        except (httpx.HTTPError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise BlindError(f"Prometheus does not answer: {type(error).__name__}.") from error
        return [(labels, value) for labels, value in pairs if math.isfinite(value)]

    def _answer(self, query: str) -> bytes:
        """The body, in the time and size of any real one."""
        deadline, parts, size = time.monotonic() + TIMEOUT_SECONDS, [], 0
        with self.http.stream("GET", "/api/v1/query", params={"query": query}) as answer:
            answer.raise_for_status()
            for part in answer.iter_bytes():
                parts.append(part)
                size += len(part)
                if size > ANSWER_BYTES_MAX or time.monotonic() > deadline:
                    raise BlindError("Prometheus does not answer: it goes on and on.")
        return b"".join(parts)


def _tally(track: str, found: Labelled, letters: float | None) -> Tally:
    here = [one for one in found if one[0].get("proxy") == track]
    answers = _by("code", here)
    longer = {float(than): count for than, count in _by("longer", here).items()}
    timed = longer.pop(0.0, 0.0)
    return Tally(sum(answers.values()), answers.get("5xx", 0.0), timed, longer, letters or 0.0)


def _by(label: str, found: Labelled) -> dict[str, float]:
    return {labels[label]: value for labels, value in found if label in labels}


def _letters(rings: dict[str, float], share: int, *, of_canary: bool) -> float | None:
    """A canary has whole rings: those whose step its share has reached."""
    if not rings:
        return None
    return sum(
        value for ring, value in rings.items() if (STEPS.get(ring, math.inf) <= share) == of_canary
    )
