"""The fields of a form that gives points or takes them, for one customer or for many."""

import re
from collections.abc import Mapping

POINTS_MAX = 1_000_000  # one adjustment; a typing error should not be able to break a programme
REASON_LENGTH_MAX = 500


def problems(values: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with them, by field."""
    found = {}
    if not points(values.get("points", "")):
        found["points"] = "Please give a whole number of points, such as 50 or -20."
    elif abs(points(values["points"])) > POINTS_MAX:
        found["points"] = f"Please stay within {POINTS_MAX:,} points."
    reason = values.get("reason", "")
    if not reason:
        found["reason"] = "Please say why; it stays in the ledger with these points."
    elif len(reason) > REASON_LENGTH_MAX:
        found["reason"] = f"Please keep the reason within {REASON_LENGTH_MAX} characters."
    if not values.get("key"):
        found[""] = "This form is incomplete. Please reload the page."
    return found


def points(typed: str) -> int:
    """A whole number as people type it; 0 for anything else."""
    plain = typed.replace(
        "\u2212", "-"
    )  # the typographic minus that phones and spreadsheets put in
    return int(plain) if re.fullmatch(r"[+-]?[0-9]{1,12}", plain) else 0
