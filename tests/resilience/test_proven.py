"""How old what was proven is, as others read it."""

from app import db
from app.resilience import proven

NOTE = "INSERT INTO backup_marks VALUES ($1, now() - interval '2 hours', 'good')"


async def ages() -> dict[str, float]:
    return {one.name: one.values[""] for one in await proven.backups()}


async def test_what_was_never_proven_is_absent_and_else_it_says_how_long_ago(
    stores: db.Stores,
) -> None:
    assert await ages() == {}
    async with db.connection() as connection:
        await connection.execute(NOTE, "drill")
    (found,) = (await ages()).items()
    assert found[0] == "holdfast_restore_drill_age_seconds"
    assert 7_200 <= found[1] < 7_300
    async with db.connection() as connection:
        await connection.execute(NOTE, "backup")
    assert set(await ages()) == {"holdfast_backup_age_seconds", found[0]}
    assert await proven.replica() == [], "there is none"
