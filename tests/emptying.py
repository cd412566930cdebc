"""Empties every table before a test, in a tenth of what it takes to tell each to."""

import asyncpg

# not TRUNCATE: on tables this small it takes fifty times as long, before every test; nor does a
# statement of nothing but DELETE: most tables are empty, and to look costs a seventh. A sequence of
# which sessions keep some numbers goes on: begun anew they would come after what they kept
EMPTYING = """
DO $make$ BEGIN EXECUTE (
SELECT 'CREATE OR REPLACE FUNCTION pg_temp.emptied() RETURNS void LANGUAGE plpgsql AS $$ BEGIN '
       || string_agg(
           format(
               CASE WHEN relkind = 'S' THEN
                   'IF (SELECT is_called FROM %1$I) THEN PERFORM setval(%1$L, 1, false); END IF; '
               ELSE 'IF EXISTS (SELECT FROM %1$I) THEN DELETE FROM %1$I; END IF; ' END, relname),
           '' ORDER BY relkind = 'S')
       || 'END $$'
  FROM pg_class LEFT JOIN pg_sequence ON seqrelid = pg_class.oid
 WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'S')
   AND COALESCE(seqcache, 1) = 1
   AND NOT relispartition AND relname NOT LIKE '%migration%'
); END $make$
"""
EMPTIED = "SELECT pg_temp.emptied()"


class Emptying:
    """On a connection of its own, whose server has planned it once."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.connection: asyncpg.Connection | None = None

    async def empty(self) -> None:
        if self.connection is None or self.connection.is_closed():  # a test stopped the server
            self.connection = await asyncpg.connect(self.address)
            await self.connection.execute(EMPTYING)
        await self.connection.execute(EMPTIED)

    async def close(self) -> None:
        if self.connection is not None:
            await self.connection.close()
