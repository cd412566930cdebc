"""What a dashboard is made of: rows of panels, each of them questions to Prometheus or Loki."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["lines", "figure", "log"]
Unit = Literal["s", "short", "reqps", "percentunit", "bytes"]
WINDOW = "[$__rate_interval]"
PAGES = 'route!~"/webhooks|/healthz.*|/metrics|/static|unmatched"'


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL, or LogQL on a board of logs; `legend` in Grafana's braces."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture: lines over time, the figure of now, or lines of a log. `line` is what was
    promised, drawn as a limit.
    """

    title: str
    queries: tuple[Query, ...]
    unit: Unit = "short"
    kind: Kind = "lines"
    line: float | None = None


@dataclass(frozen=True, slots=True)
class Variable:
    """What is chosen above a board: one of `values`, or any text where there are none."""

    name: str
    label: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard; `uid` is also its file's name. `source` is the kind of its data source."""

    uid: str
    title: str
    says: str
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]
    variables: tuple[Variable, ...] = ()
    source: Literal["prometheus", "loki"] = "prometheus"


def panel(
    title: str,
    *queries: Query | str,
    unit: Unit = "short",
    kind: Kind = "lines",
    line: float | None = None,
) -> Panel:
    """Lines over time, or what `kind` says."""
    asked = tuple(Query(one) if isinstance(one, str) else one for one in queries)
    return Panel(title, asked, unit, kind, line)


def figure(title: str, expr: str, unit: Unit = "short") -> Panel:
    """One figure of now."""
    return panel(title, expr, unit=unit, kind="figure")


def quantiles(metric: str, which: str, by: str = "") -> tuple[Query, ...]:
    """How long half of them and 99 % of them take at most, from a histogram."""
    group = f"le, {by}" if by else "le"
    legend = f" {{{{{by}}}}}" if by else ""
    return tuple(
        Query(
            f"histogram_quantile({share}, sum by ({group}) (rate({metric}_bucket{which}{WINDOW})))",
            f"{name}{legend}",
        )
        for share, name in ((0.5, "half"), (0.99, "99 %"))
    )


def rate(metric: str, by: str, which: str = "") -> Query:
    """How many a second, by a label."""
    return Query(f"sum by ({by}) (rate({metric}{which}{WINDOW}))", f"{{{{{by}}}}}")


def now(metric: str, by: str, which: str = "") -> Query:
    """What is counted at the stores, by a label: the same whoever tells it."""
    return Query(f"max by ({by}) ({metric}{which})", f"{{{{{by}}}}}")
