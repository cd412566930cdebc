"""Which cell a shop lives in: a whole stack (web, workers, Postgres, Redis) that stands beside
others, whose trouble is its own shops' alone.
"""

from app.config import Config
from app.errors import HoldfastError
from app.telemetry import metrics

FIRST = "1"  # where every shop lives that SHOP_CELLS does not name


class ElsewhereError(HoldfastError):
    """The shop lives in another cell (421); there the same request is answered."""

    status, permanent, code = 421, True, "misdirected"


def cell_of(shop: str, config: Config) -> str:
    """The name of the cell `shop` lives in: the only place that knows. The stores of a process
    are those of its own cell, `config.cell`.
    """
    return config.shop_cells.get(shop, FIRST)


def refuse_others(shop: str, config: Config, door: str = "") -> None:
    """Raises ElsewhereError for a shop of another cell: what is written for it here, its own
    cell would never see. It is counted by `door`, what was asked, unless whoever asks counts it.
    """
    cell = cell_of(shop, config)
    if cell != config.cell:
        if door:
            metrics.MISDIRECTED.labels(door).inc()
        raise ElsewhereError(
            f"This shop lives in cell {cell} of Holdfast, and this is cell {config.cell}."
        )
