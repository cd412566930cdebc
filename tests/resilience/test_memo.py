"""One answer for everybody who asks within a moment."""

import asyncio

import pytest

from app.resilience.memo import Memo


class Asked:
    """Counts how often it is asked, and answers after a moment."""

    def __init__(self, error: Exception | None = None) -> None:
        self.times = 0
        self.error = error

    async def __call__(self) -> int:
        self.times += 1
        await asyncio.sleep(0.01)
        if self.error:
            raise self.error
        return self.times


async def test_of_two_hundred_at_once_one_asks() -> None:
    asked = Asked()
    memo = Memo(asked, 60)
    assert await asyncio.gather(*(memo.get() for _ in range(200))) == [1] * 200
    assert await memo.get() == 1
    assert asked.times == 1


async def test_after_its_time_it_is_asked_again() -> None:
    asked = Asked()
    memo = Memo(asked, 0)
    assert [await memo.get(), await memo.get()] == [1, 2]


async def test_a_failure_reaches_all_who_wait_and_is_not_kept() -> None:
    asked = Asked(ValueError("away"))
    memo = Memo(asked, 60)
    found = await asyncio.gather(*(memo.get() for _ in range(5)), return_exceptions=True)
    assert [type(one) for one in found] == [ValueError] * 5
    assert asked.times == 1
    asked.error = None
    assert await memo.get() == 2


async def test_one_who_leaves_takes_nobodys_answer_along() -> None:
    asked = Asked()
    memo = Memo(asked, 60)
    first = asyncio.create_task(memo.get())
    second = asyncio.create_task(memo.get())
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 1
    with pytest.raises(asyncio.CancelledError):
        await first
