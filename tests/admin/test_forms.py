"""Forms of every page: letters are replayed, and what is too much is refused."""

from app.flow.models import DeadLetter
from tests.admin.staff import buys, set_aside, text
from tests.points.world import ALICE, BOB


async def test_a_dead_letter_is_replayed_and_all_are(alice) -> None:
    await set_aside(ALICE, "odd", "event-1")
    await set_aside(ALICE, "odder", "event-2")
    letter = await DeadLetter.filter(shop=ALICE).order_by("id").first()
    answer = await alice.post(f"/health/replay/{letter.id}")
    assert "tried again now" in answer.headers["hx-toast"]
    assert {row.state for row in await DeadLetter.filter(shop=ALICE)} == {"waiting", "dead"}
    await alice.post("/health/replay")
    assert {row.state for row in await DeadLetter.filter(shop=ALICE)} == {"waiting"}


async def test_a_form_with_too_much_in_it_is_refused_with_a_sentence(alice) -> None:
    await buys()
    answer = await alice.post(
        f"/customers/{BOB}/adjust", points="5", reason="x" * 5_000, key="k" * 12
    )
    assert answer.status_code == 400
    assert "at most" in text(answer)
