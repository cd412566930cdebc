"""Draws a dashboard from Prometheus' answers as plain HTML and SVG, for pictures where there is no
Grafana.
"""

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ops.grafana.panels import Board, Panel, Query

WIDTH, HEIGHT, LEFT, BOTTOM = 392, 150, 52, 18
COLOURS = ("#3274d9", "#e0752d", "#37872d", "#a352cc", "#c4162a", "#8f8f00", "#1f978f", "#7a7a7a")
SERIES_MAX = 8
STYLE = """
body { margin: 20px; font: 13px system-ui, sans-serif; width: 1240px;
       background: #f4f5f5; color: #24292e; }
h1 { font-size: 20px; margin: 0 0 4px; } p { margin: 0 0 12px; color: #555; max-width: 1200px; }
h2 { font-size: 14px; margin: 16px 0 6px; }
.row { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 8px; }
.figures { grid-template-columns: repeat(6, minmax(0, 1fr)); }
.panel { background: #fff; border: 1px solid #d8d9da; border-radius: 3px; padding: 6px 8px; }
.title { font-weight: 600; } .figure { font-size: 26px; color: #37872d; }

.legend { font-size: 11px; color: #555; }
.legend span { margin-inline-end: 8px; display: inline-block; }
svg text { font-size: 10px; fill: #777; }
"""


@dataclass(frozen=True, slots=True)
class Span:
    """The time that is drawn, in seconds since 1970, and within it when something was stopped."""

    began: float
    ended: float
    stopped_from: float
    stopped_until: float


def page(
    board: Board, says: str, answers: Mapping[str, Sequence[Mapping[str, Any]]], span: Span
) -> str:
    """The board as HTML; `answers` are those to each expression over the whole span."""
    rows = []
    for title, panels in board.rows:
        figures = [one for one in panels if one.kind == "figure"]
        lines = [one for one in panels if one.kind == "lines"]
        rows.append(f"<h2>{html.escape(title)}</h2>")
        for kind, of_kind in (("row figures", figures), ("row", lines)):
            drawn = "".join(_panel(one, answers, span) for one in of_kind)
            rows.append(f'<div class="{kind}">{drawn}</div>')
    return (
        f"<!doctype html><meta charset=utf-8><style>{STYLE}</style>"
        f"<h1>{html.escape(board.title)}</h1><p>{html.escape(says)}</p>{''.join(rows)}"
    )


def _panel(panel: Panel, answers: Mapping[str, Sequence[Mapping[str, Any]]], span: Span) -> str:
    series = [
        (_name(query, one["metric"]), [(float(at), float(value)) for at, value in one["values"]])
        for query in panel.queries
        for one in answers[query.expr]
    ]
    title = f'<div class="title">{html.escape(panel.title)}</div>'
    if panel.kind == "figure":
        last = series[0][1][-1][1] if series else math.nan
        return (
            f'<div class="panel">{title}<div class="figure">{_said(last, panel.unit)}</div></div>'
        )
    series.sort(
        key=lambda one: -max((value for _, value in one[1] if math.isfinite(value)), default=0.0)
    )
    shown = series[:SERIES_MAX]
    legend = "".join(
        f'<span style="color:{colour}">&#9644; {html.escape(name)}</span>'
        for (name, _), colour in zip(shown, COLOURS, strict=False)
    )
    more = f"<span>and {len(series) - SERIES_MAX} more</span>" if len(series) > SERIES_MAX else ""
    drawn = _lines(panel, [points for _, points in shown], span)
    return f'<div class="panel">{title}{drawn}<div class="legend">{legend}{more}</div></div>'


def _lines(panel: Panel, lines: Sequence[Sequence[tuple[float, float]]], span: Span) -> str:
    values = [value for points in lines for _, value in points if math.isfinite(value)]
    top = (max(values, default=0.0) or 1.0) * 1.1

    def x(at: float) -> float:
        return LEFT + (at - span.began) / (span.ended - span.began) * (WIDTH - LEFT)

    def y(value: float) -> float:
        return (HEIGHT - BOTTOM) * (1 - value / top) + 2

    wide = f'width="{x(span.stopped_until) - x(span.stopped_from):.1f}"'
    parts = [
        f'<rect x="{x(span.stopped_from):.1f}" height="{HEIGHT - BOTTOM}" fill="#fde7e7" {wide}/>'
    ]
    for share in (0.0, 0.5, 1.0):
        at = y(top / 1.1 * share)
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH}" y1="{at:.1f}" y2="{at:.1f}" stroke="#e5e5e5"/>'
        )
        said = _said(top / 1.1 * share, panel.unit)
        parts.append(f'<text x="{LEFT - 4}" y="{at + 4:.1f}" text-anchor="end">{said}</text>')
    if panel.line is not None and panel.line < top:
        at = y(panel.line)
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH}" y1="{at:.1f}" y2="{at:.1f}" '
            'stroke="#c4162a" stroke-dasharray="4 3"/>'
        )
    for points, colour in zip(lines, COLOURS, strict=False):
        drawn = " ".join(f"{x(at):.1f},{y(v):.1f}" for at, v in points if math.isfinite(v))
        parts.append(
            f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="1.4"/>'
        )
    for share in (0.0, 0.5, 1.0):
        at = span.began + share * (span.ended - span.began)
        anchor = ("start", "middle", "end")[round(share * 2)]
        parts.append(
            f'<text x="{x(at):.1f}" y="{HEIGHT - 4}" text-anchor="{anchor}">'
            f"{round(at - span.began)} s</text>"
        )
    return f'<svg width="{WIDTH}" height="{HEIGHT}">{"".join(parts)}</svg>'


def _name(query: Query, labels: Mapping[str, str]) -> str:
    name = query.legend
    for label, value in labels.items():
        name = name.replace(f"{{{{{label}}}}}", value)
    return name or "value"


def _said(value: float, unit: str) -> str:
    if not math.isfinite(value):
        return "none"
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    if unit == "bytes":
        return f"{value / 2**20:.3g} MiB"
    if unit == "s":
        return f"{value * 1000:.3g} ms" if 0 < value < 1 else f"{value:.3g} s"
    return f"{value:.3g}" + ("/s" if unit == "reqps" else "")
