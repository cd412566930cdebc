"""A history that differs, without the steps it differs without."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from tests.points.histories.making import History

NOTHING = ("nothing",)  # in the place of a step, so that the others come when they came


async def shrunk(
    history: History, differs: Callable[[History], Awaitable[str]]
) -> tuple[History, str]:
    """The same with as few steps as it takes to differ, and how it does; "" where it does not."""
    what = await differs(history)
    size = len(history.steps) // 3 if what else 0
    while size:
        for start in range(0, len(history.steps), size):
            steps = list(history.steps)
            part = steps[start : start + size]
            if any(step != NOTHING for step in part):
                steps[start : start + size] = [NOTHING] * len(part)
                if found := await differs(replace(history, steps=steps)):
                    history, what = replace(history, steps=steps), found
        size //= 3
    return history, what
