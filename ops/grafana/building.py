"""Makes Grafana's JSON of a board, by Grafana's own builders."""

from typing import Any

from grafana_foundation_sdk.builders import common as styles
from grafana_foundation_sdk.builders import dashboard, logs, loki, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models

from ops.grafana.panels import Board, Panel, Variable

HEIGHT, FIGURE_HEIGHT, LOG_HEIGHT = 8, 4, 12
SPAN, FIGURE_SPAN, LOG_SPAN = 8, 4, 24  # of the 24 columns
REFRESH = "10s"
SOURCES = {"prometheus": "Prometheus", "loki": "Loki"}


def text_of(board: Board) -> str:
    """The dashboard as JSON with its newline; the same for the same board."""
    made = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.says)
        .tags(["holdfast"])
        .refresh(REFRESH)
        .time("now-1h", "now")
        .timezone("utc")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .with_variable(
            dashboard.DatasourceVariable("source").label(SOURCES[board.source]).type(board.source)
        )
    )
    for variable in board.variables:
        made.with_variable(_variable(variable))
    for title, panels in board.rows:
        made.with_row(dashboard.Row(title))
        for panel in panels:
            made.with_panel(_panel(board, panel))
    return f"{JSONEncoder(sort_keys=True, indent=1).encode(made.build())}\n"


def _variable(variable: Variable) -> Any:
    if not variable.values:
        return dashboard.TextBoxVariable(variable.name).label(variable.label)
    first = models.VariableOption(selected=True, text=variable.values[0], value=variable.values[0])
    return (
        dashboard.CustomVariable(variable.name)
        .label(variable.label)
        .values(",".join(variable.values))
        .current(first)
    )


def _panel(board: Board, panel: Panel) -> Any:
    made: Any
    if panel.kind == "log":
        made = logs.Panel().height(LOG_HEIGHT).span(LOG_SPAN).show_time(show_time=True)
    elif panel.kind == "figure":
        made = stat.Panel().height(FIGURE_HEIGHT).span(FIGURE_SPAN).unit(panel.unit)
    else:
        made = timeseries.Panel().height(HEIGHT).span(SPAN).unit(panel.unit).min(0).fill_opacity(8)
        if panel.line is not None:
            made = _with_limit(made, panel.line)
    made = made.title(panel.title).datasource(_source(board))
    for place, query in enumerate(panel.queries):
        asked: Any = loki.Dataquery() if board.source == "loki" else prometheus.Dataquery()
        asked = asked.expr(query.expr).ref_id(chr(ord("A") + place))
        made = made.with_target(asked.legend_format(query.legend) if query.legend else asked)
    return made


def _with_limit(made: Any, limit: float) -> Any:
    steps = [models.Threshold(color="green"), models.Threshold(value=limit, color="red")]
    thresholds = dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)
    dashed = styles.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)
    return made.thresholds(thresholds).thresholds_style(dashed)


def _source(board: Board) -> Any:
    return models.DataSourceRef(type_val=board.source, uid="${source}")
