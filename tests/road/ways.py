"""The ways the webhooks of an input can arrive: in other orders, twice, and without one of them."""

import itertools
import math
import random
from collections.abc import Iterator, Sequence

from tests.road.door import Way

MOST = 24  # orders of one input; of more of them so many are drawn
Spans = Sequence[range]  # the numbers of the webhooks that are told together


def count(spans: Spans) -> int:
    """How many orders there are."""
    return math.prod(math.factorial(len(span)) for span in spans)


def orders(spans: Spans, chance: random.Random) -> list[Way]:
    """All of them, or as many as MOST: as told, backwards, and others by chance."""
    if count(spans) <= MOST:
        each = itertools.product(*(itertools.permutations(span) for span in spans))
        return [_as(dict(zip(spans, way, strict=True))) for way in each]
    drawn = [_as({span: tuple(span) for span in spans}), _backwards]
    while len(drawn) < MOST:
        drawn.append(_as({span: chance.sample(span, len(span)) for span in spans}))
    return drawn


def doubled(spans: Spans, chance: random.Random) -> Iterator[Way]:
    """Each at once again, all of them again, again backwards, and shuffled."""
    yield lambda span: [number for one in span for number in (one, one)]
    yield lambda span: [*span, *span]
    yield lambda span: [*span, *reversed(span)]
    yield lambda span: [*reversed(span), *span]
    for _ in range(2):
        yield _as({span: chance.sample([*span, *span], 2 * len(span)) for span in spans})


def without(missing: int) -> Way:
    return lambda span: [number for number in span if number != missing]


def _as(plan: dict[range, Sequence[int]]) -> Way:
    return lambda span: plan[span]


def _backwards(span: range) -> list[int]:
    return [*reversed(span)]
