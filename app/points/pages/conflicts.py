"""Two tabs, one form of points: how its values are written, beside what all such forms share."""

from collections.abc import Mapping

from app.web import forms
from app.web.conflicts import EMPTY, seen, show

__all__ = ["EMPTY", "seen", "show", "written"]
NUMBERS = frozenset({"rate"})  # fields with decimals


def written(values: Mapping[str, str], locale: str) -> dict[str, str]:
    """The values of a form as this locale writes them."""
    return {
        name: forms.written(value, locale) if name in NUMBERS else value
        for name, value in values.items()
    }
