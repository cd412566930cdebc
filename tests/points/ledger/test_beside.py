"""The walk over what stands beside the ledger: on an index, from a place on, of a shop or all."""

import re

from app import db
from app.points.ledger import beside

ALICE, BOB = "alice.myshopify.com", "bob.myshopify.com"
GIVE = """
INSERT INTO grants (shop, kind, source, name, outcome, rule_version, frozen, known, points,
                    reversed_points, forgiven, unmet, lapsed, revision, created_at)
SELECT shop, 'order', 'order:' || number, '', 'zero', 1, '', '', $3, 0, 0, 0, 0, 0, now()
  FROM unnest($1::text[]) AS shop, generate_series(1, $2::int) AS number
"""

EARN = """
INSERT INTO ledger (shop, member_id, sequence, source, effect, from_bucket, to_bucket, points, why,
                    effective_at, recorded_at, hash)
SELECT $1, 1, number, source, 'earn', 'issued', 'available', 7, '', now(), now(), ''
  FROM unnest($2::text[]) WITH ORDINALITY AS row (source, number)
"""


async def given(connection: db.Connection, points: int = 0) -> None:
    await connection.execute(GIVE, [ALICE, BOB], 10, points)


async def walked(connection: db.Connection, shop: str | None, after: str) -> list[str]:
    places = []
    while pages := await beside.pages("grants", shop, after, 4, most=2, connection=connection):
        for page in pages:
            assert await beside.check("grants", shop, page, connection) == []
            places.append(page.place)
        after = places[-1]
    return places


async def test_every_grant_is_walked_once_and_a_walk_goes_on_from_its_place(stores: db.Stores):
    async with db.connection() as connection:
        await given(connection)
        places = await walked(connection, None, "")
        assert places == [
            f"{ALICE}/order:3",
            f"{ALICE}/order:7",
            f"{BOB}/order:10",
            f"{BOB}/order:5",
            f"{BOB}/order:9",
        ]
        assert await walked(connection, None, places[1]) == places[2:]
        assert await walked(connection, BOB, "") == [f"{BOB}/order:{n}" for n in (3, 7, 9)]


async def test_a_place_of_the_ids_of_an_earlier_release_begins_at_the_beginning(stores: db.Stores):
    async with db.connection() as connection:
        await given(connection)
        assert await walked(connection, None, "17") == await walked(connection, None, "")


async def test_a_grant_of_points_that_the_ledger_does_not_know_is_named(stores: db.Stores):
    async with db.connection() as connection:
        await given(connection, points=7)
        (page,) = await beside.pages("grants", ALICE, "", 1, 1, connection)
        problems = await beside.check("grants", ALICE, page, connection)
        assert problems == [f"{ALICE} order 1: {beside.TABLES['grants'].problem}"]


async def test_what_a_grant_gave_later_counts_too(stores: db.Stores):
    """An order that grew: each revision has a row of its own, which stands elsewhere in the order
    of sources than its grant.
    """
    async with db.connection() as connection:
        await given(connection, points=7)
        await connection.execute(EARN, ALICE, ["order:1", "order:10", "order:10:1", "order:10:2"])
        await connection.execute("DELETE FROM grants WHERE source NOT IN ('order:1', 'order:10')")
        await connection.execute("UPDATE grants SET points = 21, revision = 2 WHERE source ~ '10'")
        assert await walked(connection, ALICE, "") == [f"{ALICE}/order:10"]
        await connection.execute("UPDATE grants SET revision = 1 WHERE source ~ '10'")
        (page,) = await beside.pages("grants", ALICE, "", 4, 1, connection)
        problems = await beside.check("grants", ALICE, page, connection)
        assert problems == [f"{ALICE} order 10: {beside.TABLES['grants'].problem}"]


async def test_a_step_of_the_walk_never_reads_the_whole_table(stores: db.Stores):
    """Grants have no index over ids: a walk by them took time by the square of their number."""
    statements: list[tuple[str, tuple[object, ...]]] = []

    class Noting:
        def __init__(self, connection: db.Connection) -> None:
            self.connection = connection

        async def fetch(self, query: str, *args: object) -> list[db.Row]:
            statements.append((query, args))
            return await self.connection.fetch(query, *args)

        async def fetchrow(self, query: str, *args: object) -> db.Row | None:
            statements.append((query, args))
            return await self.connection.fetchrow(query, *args)

    async with db.transaction() as connection:
        await given(connection)
        # with few rows, and none of them counted, all indexes that begin with the shop cost as much
        await connection.execute(EARN, ALICE, [f"order:{number}" for number in range(2_000)])
        await connection.execute("ANALYZE ledger, grants")
        await connection.execute("SET LOCAL enable_seqscan = off")
        noting = Noting(connection)
        (page,) = await beside.pages("grants", None, f"{ALICE}/order:5", 4, 1, noting)
        await beside.check("grants", None, page, noting)
        assert len(statements) == 2
        for (query, args), ranges in zip(statements, (1, 2), strict=True):
            plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {query}", *args))
            assert len(re.findall(r"Index Cond: \(+ROW\(", plan)) == ranges, plan
