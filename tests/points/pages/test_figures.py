"""The figures on home: got ready at the first look, beside the range before, each explained."""

import pytest

from app.errors import UnavailableError
from app.points.figures import actions, reads
from tests.admin.staff import buys, text


async def test_they_are_got_ready_at_the_first_look_and_say_as_of_when(alice) -> None:
    await buys()
    first = text(await alice.get("/"))
    assert "What your program brings This is being got ready." in first
    while await actions.compute_due():
        pass
    seen = text(await alice.get("/"))
    assert "The last 30 days, beside the 30 days before. As of" in seen
    assert "Points earned 49 ↑ 0 before" in seen
    assert "Members who came back 0%" in seen
    assert "What these figures mean" in seen
    assert "what the program still owes" in seen


async def test_another_range_is_one_click_away_and_what_is_none_is_the_usual_one(alice) -> None:
    await buys()
    for typed, days in (("7", 7), ("365", 365), ("8", 30), ("'; --", 30)):
        await alice.get("/", days=typed)
        while await actions.compute_due():
            pass
        assert f"The last {days} days" in text(await alice.get("/", days=typed))


async def test_figures_that_cannot_be_read_leave_the_rest_of_home_as_it_is(
    alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    await buys()

    async def away(_shop: str, _days: int) -> None:
        raise UnavailableError("The database is away.")

    monkeypatch.setattr(reads, "newest", away)
    seen = text(await alice.get("/"))
    assert "What your program brings Points cannot be read just now." in seen
    assert "Newest activity" in seen
