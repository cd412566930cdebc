"""Editing the rules: each edit is a version, and awards name theirs."""

import pytest

from app.errors import BadInputError
from app.points.earning import actions as earning
from app.points.members import reads
from tests.points.world import (
    ALICE,
    bob_has,
    figures,
    handle,
    line,
    one,
    paid,
)

pytestmark = pytest.mark.usefixtures("stores")


async def test_every_edit_of_the_rules_is_a_new_version_and_awards_name_theirs() -> None:
    await bob_has(10)
    edited = await earning.edit_program(
        ALICE, {"rate": "2.5", "pending_days": "3", "expiry_days": None}, "staff-1"
    )
    assert (edited.version, edited.pending_days, str(edited.rate)) == (2, 3, "2.5000")
    assert (await earning.edit_program(ALICE, {"rate": "2.5"}, "staff-1")).version == 2
    await handle(paid("2", line("10.00")))
    assert await figures() == {"available": 10, "pending": 25}
    assert await one("SELECT rule_version FROM grants WHERE source = 'order:2'") == 2
    assert [row.version for row in await reads.program_versions(ALICE)] == [2, 1]


@pytest.mark.parametrize(
    "fields",
    [
        {"rate": "NaN"},
        {"rate": "1.00001"},
        {"rate": -1},
        {"rounding": "sideways"},
        {"expiry_days": 0},
        {"pending_days": "-1"},
        {"clawback": "all"},
        {"version": 9},
    ],
)
async def test_rules_that_make_no_sense_are_refused(fields: dict) -> None:
    with pytest.raises(BadInputError):
        await earning.edit_program(ALICE, fields, "staff-1")
