"""Verification: sound after honest work, and not to be fooled."""

from datetime import UTC, datetime

import pytest

from app import db
from app.points.ledger import actions as ledger
from app.points.ledger import audit, heads
from app.points.ledger.audit import Report, verify
from app.points.ledger.pace import Pace
from app.points.ledger.posting import canonical
from tests.points.world import ALICE, BOB, cancelled, handle, line, paid, program, refunded

pytestmark = pytest.mark.usefixtures("stores")


async def history() -> None:
    await program(clawback="debt")
    for number in range(1, 6):
        await handle(
            paid(str(number), line("10.00", 2, "a")),
            paid(f"c{number}", line("7.50"), customer="charlie"),
        )
    await handle(refunded("1", "r1", {"a": 1}), cancelled("2"), refunded("unseen", "r2", {"a": 1}))
    await ledger.adjust(ALICE, BOB, 11, "kindness", "a1", "staff-1")


async def tamper(sql: str) -> None:
    async with db.connection() as conn:
        assert (await conn.execute(sql)).split()[-1] != "0", (
            "nothing was changed, so the test would mean nothing"
        )


async def test_honest_work_is_sound() -> None:
    await history()
    report = await verify()
    assert (report.members, report.drift, report.broken_chains, report.problems) == (2, 0, 0, [])
    assert report.rows > 10
    assert (await verify("charlie.myshopify.com")).members == 0


async def test_a_changed_reason_breaks_the_chain_without_any_drift() -> None:
    await history()
    await tamper("UPDATE ledger SET why = replace(why, '10.00', '99.00') WHERE source = 'order:3'")
    report = await verify(ALICE)
    assert (report.drift, report.broken_chains) == (0, 1)
    assert not report.is_sound


@pytest.mark.parametrize("source", ["order:3", "adjustment:a1"])
async def test_a_deleted_row_is_missed_in_the_middle_and_at_the_end(source: str) -> None:
    await history()
    await tamper(f"DELETE FROM ledger WHERE source = '{source}'")
    report = await verify()
    assert (report.drift, report.broken_chains) == (1, 1)


async def test_a_changed_figure_is_found_even_with_a_hash_made_for_it() -> None:
    await history()
    await tamper(
        "UPDATE ledger SET points = points + 1, hash = sha256('x') WHERE source = 'order:3'"
    )
    report = await verify()
    assert (report.drift, report.broken_chains) == (1, 1)


async def test_a_changed_balance_or_lot_is_drift() -> None:
    await history()
    await tamper("UPDATE members SET available = available + 1 WHERE customer_id = '7001'")
    assert (await verify()).drift == 1
    await tamper("UPDATE members SET available = available - 1 WHERE customer_id = '7001'")
    await tamper("UPDATE lots SET remaining = remaining - 1 WHERE source = 'order:3'")
    report = await verify()
    assert report.drift == 0
    assert any("lots" in problem for problem in report.problems)


async def test_an_award_without_its_ledger_row_is_named() -> None:
    await history()
    await tamper("UPDATE grants SET points = points + 1 WHERE source = 'order:3'")
    assert any("a grant is not in the ledger" in problem for problem in (await verify()).problems)


async def test_postgres_writes_the_same_bytes_as_the_posting() -> None:
    """All of ASCII, where JSON escapes, and enough of the rest, where it must not."""
    letters = [*map(chr, range(1, 0x800)), "\u2028", "\u2029", "\ud7ff", "\ue000", "\uffff", "😀"]
    moments = [
        datetime(2026, 2, 28, 23, 59, 59, 999_999, UTC),
        datetime(1969, 12, 31, 23, 59, 59, 1, UTC),
    ]
    rows = [
        (text, 1, 2**62, text, text, text, text, -(2**63), text, *moments)
        for text in ["", "".join(letters), *letters]
    ]
    columns = (
        "shop, member_id, sequence, source, effect, from_bucket, to_bucket, points, why, "
        "effective_at, recorded_at"
    )
    async with db.connection() as conn:
        found = await conn.fetch(
            f"SELECT {audit.CANONICAL} AS bytes FROM unnest($1::text[], $2::bigint[], $3::bigint[],"
            f" $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::text[], "
            f"$10::timestamptz[], $11::timestamptz[]) WITH ORDINALITY AS row ({columns}, at) "
            f"ORDER BY at",
            *map(list, zip(*rows, strict=True)),
        )
    assert [row["bytes"] for row in found] == [canonical(*row) for row in rows]


async def test_content_moved_from_one_column_into_the_next_is_found() -> None:
    await history()
    await tamper(
        """UPDATE ledger SET source = 'order', effect = '3","earn' WHERE source = 'order:3'"""
    )
    assert (await verify()).broken_chains == 1


async def test_ledger_rows_of_a_member_who_is_gone_are_named() -> None:
    await history()
    await tamper("DELETE FROM members WHERE customer_id = '7001'")
    for report in (await verify(), await verify(ALICE)):
        assert report.broken_chains == 1
        assert any("the member is missing" in problem for problem in report.problems)


@pytest.fixture
def signing(stores: db.Stores) -> tuple[str, ...]:
    return stores.config.event_secrets


@pytest.mark.parametrize("shop", [None, ALICE])
async def test_a_member_deleted_with_all_rows_is_noticed_from_the_second_time_on(
    signing: tuple[str, ...], shop: str | None
) -> None:
    await history()
    first = await verify(shop, signing)
    assert (first.compared, first.is_sound) == (0, True)
    await handle(paid("6", line("10.00")))
    assert (await verify(None, signing)).is_sound
    for table in ("ledger", "lots"):
        await tamper(
            f"DELETE FROM {table} WHERE member_id = (SELECT id FROM members WHERE customer_id = "
            f"'7001')"
        )
    await tamper("DELETE FROM grants WHERE source !~ ':c'")
    await tamper("DELETE FROM members WHERE customer_id = '7001'")
    assert (await verify()).is_sound, "nothing that is left says so"
    for again in (await verify(shop, signing), await verify(shop, signing)):
        assert (again.compared, len(again.problems)) == (2, 1)
        assert "is gone" in again.problems[0]
    await heads.forget(shop)
    assert (await verify(shop, signing)).is_sound


@pytest.mark.parametrize("goes_on", [False, True])
async def test_a_chain_written_anew_is_noticed(signing: tuple[str, ...], goes_on: bool) -> None:
    await history()
    assert (await verify(None, signing)).is_sound
    await tamper("UPDATE ledger SET why = '{}' WHERE source = 'order:c1'")
    async with db.connection() as conn:
        for row in await conn.fetch(
            "SELECT id FROM ledger WHERE member_id = (SELECT id FROM members WHERE customer_id = "
            "'charlie') ORDER BY sequence"
        ):
            await conn.execute(
                f"UPDATE ledger SET hash = sha256(coalesce((SELECT hash FROM ledger AS previous "
                f"WHERE previous.member_id = ledger.member_id AND previous.sequence = "
                f"ledger.sequence - 1), $2) || {audit.CANONICAL}) WHERE id = $1",
                row["id"],
                audit.GENESIS,
            )
        await conn.execute(
            "UPDATE members SET last_hash = ledger.hash FROM ledger WHERE ledger.member_id = "
            "members.id AND ledger.sequence = members.sequence"
        )
    if goes_on:
        await handle(paid("c9", line("10.00"), customer="charlie"))
    assert (await verify()).is_sound, "the chain fits in itself"
    report = await verify(None, signing)
    assert [problem for problem in report.problems if "not the beginning" in problem]
    assert len(report.problems) == 1


async def test_heads_that_somebody_else_signed_count_for_nothing(
    signing: tuple[str, ...],
) -> None:
    await history()
    assert (await verify(None, signing)).is_sound
    await tamper("UPDATE audit_heads SET heads = substr(heads, 1, 32)")
    assert "not signed" in (await verify(None, signing)).problems[0]


async def test_a_walk_goes_on_where_it_was_left(
    signing: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "SLOT", 1)
    await history()
    whole = await verify(None, signing)
    for shop in (None, ALICE):
        members, place, is_over = 0, audit.BEGINNING, False
        while not is_over:
            report, is_over, steps = Report(), True, 0
            async for reached in audit.walk(report, shop, signing, place):
                place, steps = reached, steps + 1
                if steps == 2:
                    is_over = False
                    break
            members += report.members
            assert report.is_sound
        assert (members, place.stage) == (whole.members, "grants")


@pytest.mark.parametrize("at_once", [1, 3])
async def test_steps_at_once_find_the_same_as_one_after_another(
    signing: tuple[str, ...], at_once: int
) -> None:
    def pace() -> Pace:
        made = Pace(at_once=at_once)
        made.size = 2
        return made

    await program()
    orders = (paid(str(number), line("10.00"), customer=f"c{number}") for number in range(17))
    await handle(*orders)
    await verify(None, signing, pace())
    again = await verify(None, signing, pace())
    assert (again.members, again.compared, again.problems) == (17, 17, [])
    await tamper("UPDATE members SET available = 9 WHERE customer_id IN ('c2', 'c16')")
    await tamper("UPDATE ledger SET why = '{}' WHERE source = 'order:7'")
    await tamper("UPDATE grants SET points = 9 WHERE source IN ('order:1', 'order:15')")
    report = await verify(None, signing, pace())
    assert (report.members, report.rows, report.drift, report.broken_chains) == (17, 17, 2, 1)
    assert sum("a grant is not" in problem for problem in report.problems) == 2


async def test_a_step_that_fails_ends_the_walk_after_those_beside_it() -> None:
    ended = []

    async def fails(_: db.Connection) -> None:
        raise ValueError("the second")

    async def lasts(connection: db.Connection) -> None:
        await connection.execute("SELECT pg_sleep(0.1)")
        ended.append("the first")

    with pytest.raises(ValueError, match="the second"):
        await Pace(at_once=2).together([lasts, fails])
    assert ended == ["the first"]


async def test_only_the_asked_shop_is_looked_at() -> None:
    await history()
    await program("charlie.myshopify.com")
    await handle(paid("1", line("10.00"), shop="charlie.myshopify.com"))
    await tamper("UPDATE members SET available = 0 WHERE shop = 'charlie.myshopify.com'")
    await tamper("UPDATE grants SET points = 1 WHERE shop = 'charlie.myshopify.com'")
    assert ((await verify(ALICE)).is_sound, (await verify(ALICE)).members) == (True, 2)
    assert not (await verify("charlie.myshopify.com")).is_sound
