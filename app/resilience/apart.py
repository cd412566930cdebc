"""Work on many that keeps them apart: who fails is told of, and holds up nobody else."""

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from app.resilience import failures
from app.telemetry import logs

T = TypeVar("T")
log = logs.logger()


async def each(
    doing: str,
    some: Iterable[T],
    work: Callable[[T], Awaitable[int]],
    put_off: Callable[[T], Awaitable[object]] | None = None,
) -> int:
    """Do `work` for each by itself; the sum of what it answers.

    Who fails for a reason of their own is put off, so that they do not stand before the others
    again; who was only busy is left as they are. Raises when a store is away: that is nobody's own.
    """
    done = 0
    for one in some:
        try:
            done += await work(one)
        except Exception as error:
            if failures.is_store_away(error):
                raise
            is_own = not failures.is_passing(error)
            log.warning(
                "left for later",
                doing=doing,
                of=str(one),
                reason=failures.reason(error),
                exc_info=error if is_own else None,
            )
            if is_own and put_off is not None:
                await put_off(one)
    return done
