"""Looks and texts as they are saved: in versions, one beside the other, never half."""

import pytest

from app import db
from app.core.looks import actions, reads
from app.core.looks.actions import StaleLookError, StaleTextsError
from app.core.looks.views import Look
from app.errors import BadInputError
from tests.points.world import ALICE

CHARLIE = "charlie.myshopify.com"


async def test_each_edit_is_a_version_and_what_stays_the_same_is_none(stores) -> None:
    assert (await reads.look(ALICE)).version == 0
    red = Look(accent="#aa0000")
    kept = await actions.save_look(ALICE, red, "Alice", 0)
    assert (kept.version, kept.look, kept.edited_by) == (1, red, "Alice")
    assert (await actions.save_look(ALICE, red, "Alice", 0)).version == 1
    assert (await reads.look(CHARLIE)).version == 0


async def test_who_looked_at_an_older_one_is_refused_and_shown_the_newer(stores) -> None:
    await actions.save_look(ALICE, Look(accent="#aa0000"), "Alice", 0)
    with pytest.raises(StaleLookError) as refused:
        await actions.save_look(ALICE, Look(accent="#00aa00"), "Bob", 0)
    assert refused.value.current.look.accent == "#aa0000"
    assert (await reads.look(ALICE)).look.accent == "#aa0000"


async def test_only_the_newest_versions_are_kept(stores) -> None:
    for version in range(25):
        look = Look(offset=10 + version)
        await actions.save_look(ALICE, look, "Alice", version)
    async with db.connection() as conn:
        kept = await conn.fetchval("SELECT count(*) FROM appearances WHERE shop = $1", ALICE)
    assert kept == actions.VERSIONS_KEPT
    assert (await reads.look(ALICE)).version == 25


async def test_what_cannot_be_read_is_not_saved(stores) -> None:
    for look in (Look(text="#eeeeee"), Look(accent="red"), Look(radius=90), Look(icon="bomb")):
        with pytest.raises(BadInputError):
            await actions.save_look(ALICE, look, "Alice", 0)
    assert (await reads.look(ALICE)).version == 0


async def test_texts_are_of_a_language_and_an_empty_one_gives_ours_back(stores) -> None:
    await actions.save_texts(ALICE, "de", {"launcher": "Punkte", "redeem": "Holen"}, "Alice", 0)
    saved = await actions.save_texts(ALICE, "de", {"redeem": ""}, "Alice", 1)
    assert (saved.edits, saved.version) == ({"launcher": "Punkte"}, 2)
    assert (await reads.texts(ALICE, "fr")).edits == {}
    assert await reads.told(ALICE) == {"appearance": None, "texts": {"de": saved.edits}}
    with pytest.raises(StaleTextsError):
        await actions.save_texts(ALICE, "de", {"redeem": "Nimm"}, "Bob", 1)


async def test_texts_with_unknown_gaps_or_of_no_message_leave_nothing_half_done(stores) -> None:
    for edits in (
        {"launcher": "Points", "redeem": "{secret}"},
        {"launcher": "Points", "nothing of ours": "x"},
        {"launcher": "<script>"},
    ):
        with pytest.raises(BadInputError):
            await actions.save_texts(ALICE, "en", edits, "Alice", 0)
    with pytest.raises(BadInputError):
        await actions.save_texts(ALICE, "xx", {"launcher": "Points"}, "Alice", 0)
    assert (await reads.texts(ALICE, "en")).version == 0
