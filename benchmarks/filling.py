"""Fills a database with shops of any size: members, and a ledger, lots and grants that add up."""

import time

import asyncpg

from app.points.ledger import audit, totals
from app.points.ledger.accounts import GENESIS
from benchmarks import orders

OTHERS, OTHERS_MEMBERS = 1_000, 100  # small shops beside the measured ones
BUSY_ROWS = 2_005  # of one customer in every measured shop
CHAIN = f"""
CREATE FUNCTION pg_temp.link(bytea, bytea) RETURNS bytea LANGUAGE sql IMMUTABLE
    AS 'SELECT sha256($1 || $2)';
CREATE AGGREGATE pg_temp.chain(bytea)
    (sfunc = pg_temp.link, stype = bytea, initcond = '\\x{GENESIS.hex()}');
"""
FILL = (
    """
INSERT INTO shops (domain, name, currency, timezone, status, plan, access_token, scopes,
                   token_version, installed_at)
SELECT name, 'Bench', 'USD', 'Asia/Kolkata', 'active', 'standard', 'x', '', 0, now()
  FROM sizes
""",
    """
INSERT INTO program_versions (shop, version, rate, rounding, pending_days, clawback, timezone,
                              currency, state, edited_by, created_at)
SELECT name, 1, 1, 'down', 0, 'debt', 'Asia/Kolkata', 'USD', 'live', '', now() FROM sizes
""",
    """
INSERT INTO members (shop, customer_id, pending, available, held, spent, expired, reversed, debt,
                     issued, sequence, joined_at, updated_at, frozen_reason)
SELECT name, (7000000000 + number)::text, 0, rows * (10 + number % 90), 0, 0, 0, 0, 0,
       rows * (10 + number % 90), rows, now() - random() * interval '2 years', now(), ''
  FROM sizes, generate_series(1, members) AS number,
       LATERAL (SELECT CASE WHEN number = 1 THEN busy ELSE usual END AS rows) AS chosen
""",
    """
INSERT INTO customers (shop, customer_id, name, sort_name, email, consent, joined_at, updated_at)
SELECT shop, customer_id, first || ' ' || last, lower(first || ' ' || last),
       lower(first) || '.' || customer_id || '@example.com', '', joined_at, updated_at
  FROM members, LATERAL (SELECT (ARRAY['Anna', 'Bob', 'Charlie', 'Dina', 'Emil', 'Farah', 'Grace',
       'Hugo'])[1 + (hashint8(id) & 7)] AS first,
       CASE WHEN id % 200 = 0 THEN 'Smith' ELSE 'Name' || substr(md5(id::text), 1, 5) END
       AS last) AS person
""",
    f"""
INSERT INTO ledger (shop, member_id, sequence, source, effect, from_bucket, to_bucket, points, why,
                    effective_at, recorded_at, hash)
  WITH row AS MATERIALIZED (
SELECT shop, id AS member_id, number AS sequence, 'order:' || id || '-' || number AS source,
       'earn' AS effect, 'issued' AS from_bucket, 'available' AS to_bucket,
       available / sequence AS points,
       '{{"base":"49.90","currency":"USD","order_name":"#1","rate":"1","rounding":"down",
         "rule":1}}' AS why,
       at AS effective_at, at AS recorded_at
  FROM (SELECT shop, id, sequence, available, number, now() - random() * interval '1 year' AS at
          FROM members, generate_series(1, sequence) AS number) AS moved)
SELECT *, pg_temp.chain({audit.CANONICAL}) OVER (PARTITION BY member_id ORDER BY sequence)
  FROM row ORDER BY recorded_at
""",
    """
UPDATE members SET last_hash = ledger.hash FROM ledger
 WHERE ledger.member_id = members.id AND ledger.sequence = members.sequence
""",
    """
INSERT INTO grants (shop, kind, source, name, member_id, outcome, rule_version, frozen, known,
                    points, reversed_points, forgiven, unmet, lapsed, revision, created_at)
SELECT ledger.shop, 'order', source, '#1', member_id, 'earned', 1,
       '{"rule":1,"rate":"1","rounding":"down"}',
       format('{"at":%1$s,"placed_at":%1$s,"paid_at":%1$s,"customer_id":"%2$s","customer_at":%1$s,'
              '"lines":[["%3$s1",1,1,%4$s,0,"632910392"]],"currency":"USD"}',
              to_json(effective_at), customer_id, ledger.id, points * 1000000),
       points, 0, 0, 0, 0, 0, recorded_at
  FROM ledger JOIN members ON members.id = member_id
""",
    """
INSERT INTO lots (shop, member_id, source, granted, remaining, available_at, is_pending, expires_at,
                  due_at, lapses, created_at)
SELECT shop, member_id, source, points, points, effective_at, FALSE,
       effective_at + interval '3 years', effective_at + interval '3 years', 0, now()
  FROM ledger
""",
    f"""
INSERT INTO period_totals (shop, starts_at, earned, spent)
SELECT shop, to_timestamp(floor(extract(epoch FROM effective_at) / {totals.PERIOD_SECONDS})
       * {totals.PERIOD_SECONDS}), sum(points), 0 FROM ledger GROUP BY 1, 2
""",
    """
INSERT INTO shop_totals (shop, members, outstanding)
SELECT shop, count(*), sum(available) FROM members GROUP BY shop
""",
    "VACUUM ANALYZE",
)


async def fill(url: str, sizes: dict[str, int], rows: int) -> None:
    """Shops of these many members, with `rows` rows of ledger and lots a member."""
    connection = await asyncpg.connect(url)
    await connection.execute(
        "SET synchronous_commit = off; SET maintenance_work_mem = '512MB'; SET work_mem = '256MB';"
        "CREATE TEMPORARY TABLE sizes (name text, members bigint, busy bigint, usual bigint);"
        + CHAIN
    )
    shops = [(name, members, BUSY_ROWS, rows) for name, members in sizes.items()]
    shops += [(orders.shop_name(number), OTHERS_MEMBERS, rows, rows) for number in range(OTHERS)]
    await connection.copy_records_to_table("sizes", records=shops)
    for statement in FILL:
        started = time.perf_counter()
        await connection.execute(statement)
        words = " ".join(statement.split()[:3])
        print(f"{words:32} {time.perf_counter() - started:6.1f} s", flush=True)
    await connection.close()
