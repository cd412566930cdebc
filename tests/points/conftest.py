"""Hypothesis without a deadline for one example (a busy machine is no bug), and how many random
histories a run has told.
"""

from typing import Any

from hypothesis import settings

settings.register_profile("holdfast", deadline=None)
settings.load_profile("holdfast")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = [one for some in terminalreporter.stats.values() for one in some]
    found = {"histories": 0, "steps": 0}
    for report in reports:
        for name, count in getattr(report, "user_properties", ()):
            if name in found and report.when == "call":
                found[name] += count
    if found["histories"]:
        terminalreporter.write_line("{histories:,} histories of {steps:,} steps".format(**found))
