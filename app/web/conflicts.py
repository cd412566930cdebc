"""Two tabs, one form: what somebody else saved meanwhile, shown beside what was typed."""

import re
from collections.abc import Mapping

from app.web.forms import Form

EMPTY = "nothing"


def seen(values: Mapping[str, str]) -> int | None:
    """The version a form was made from; None for a form that carries none."""
    typed = values.get("version", "")
    return int(typed) if re.fullmatch(r"[0-9]{1,9}", typed) else None


def show(form: Form, theirs: Mapping[str, str], labels: Mapping[str, str]) -> None:
    """Put both beside each other, and make the form one of the newest version: saved again, it
    replaces what the other one saved, knowingly.
    """
    form.conflict = [
        (label, theirs[name] or EMPTY, form.values.get(name, "") or EMPTY)
        for name, label in labels.items()
        if theirs[name] != form.values.get(name, "")
    ]
    form.values = {**form.values, "version": theirs["version"]}
