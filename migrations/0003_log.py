"""Facts become a log: append-only, by day, read by place; the outbox and what was consumed go.

What still stands in the old outbox and in the old streams is carried over by the release process,
which can sign it, and which then drops both tables (workers/release.py).
"""

from tortoise import migrations
from tortoise.migrations import operations as ops

# `tx` orders the log: the transaction that wrote an entry, above a base that is raised when the
# data moves to a cluster whose transactions are numbered lower (stable, not immutable: plans that
# hold it must notice). `id` orders within it.
LOG = """
CREATE SEQUENCE facts_id CACHE 32;
CREATE FUNCTION log_base() RETURNS bigint STABLE LANGUAGE sql AS 'SELECT 0::bigint';
CREATE FUNCTION log_tx() RETURNS bigint VOLATILE LANGUAGE sql
    AS 'SELECT log_base() + pg_current_xact_id()::text::bigint';
CREATE FUNCTION log_horizon() RETURNS bigint STABLE LANGUAGE sql
    AS 'SELECT log_base() + pg_snapshot_xmin(pg_current_snapshot())::text::bigint';
CREATE TABLE facts (
    part smallint NOT NULL,
    day date NOT NULL,
    tx bigint NOT NULL,
    id bigint NOT NULL DEFAULT nextval('facts_id'),
    entry text NOT NULL,
    topics text[] NOT NULL,
    facts integer NOT NULL,
    size integer NOT NULL,
    signed_at bigint NOT NULL,
    signature text NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (part, tx, id, day)
) PARTITION BY RANGE (day);
ALTER TABLE facts ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE TABLE facts_rest PARTITION OF facts DEFAULT;
CREATE TABLE places (
    service text NOT NULL,
    part smallint NOT NULL,
    tx bigint NOT NULL DEFAULT 0,
    id bigint NOT NULL DEFAULT 0,
    day date NOT NULL DEFAULT '2000-01-01',
    moved_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (service, part)
) WITH (fillfactor = 50);
CREATE TABLE starts (
    service text NOT NULL,
    slot text NOT NULL,
    unclean integer NOT NULL DEFAULT 0,
    suspect text NOT NULL DEFAULT '',
    blamed text NOT NULL DEFAULT '',
    blames integer NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (service, slot)
);
"""
RECEIPTS = """
ALTER TABLE receipts RENAME TO receipts_before;
CREATE TABLE receipts (
    shop text NOT NULL,
    webhook_id text NOT NULL,
    day date NOT NULL,
    topic text NOT NULL,
    outcome text NOT NULL,
    request_id text NOT NULL,
    received_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (shop, webhook_id, day)
) PARTITION BY RANGE (day);
CREATE TABLE receipts_rest PARTITION OF receipts DEFAULT;
INSERT INTO receipts
SELECT shop, webhook_id, (received_at AT TIME ZONE 'UTC')::date, topic, outcome, request_id,
       received_at, recorded_at
  FROM receipts_before;
DROP TABLE receipts_before;
"""
# retries look for what is due shop by shop, so that nobody waits behind another's backlog
LETTERS = """
CREATE INDEX dead_letters_due ON dead_letters (service, shop, next_attempt_at)
    WHERE state = 'waiting';
CREATE INDEX dead_letters_dead ON dead_letters (service, id) WHERE state = 'dead';
CREATE INDEX dead_letters_open ON dead_letters (shop, id) WHERE state IN ('waiting', 'dead');
DO $$ DECLARE found text; BEGIN
    FOR found IN SELECT indexname FROM pg_indexes
                  WHERE tablename = 'dead_letters' AND indexdef NOT LIKE '%UNIQUE%'
                    AND indexname NOT IN
                        ('dead_letters_due', 'dead_letters_dead', 'dead_letters_open')
    LOOP EXECUTE format('DROP INDEX %I', found); END LOOP;
END $$;
"""


class LeaveToSql(ops.DeleteModel):
    """The model goes, its table is dealt with in SQL."""

    async def database_forward(self, *_: object, **__: object) -> None:
        pass

    async def database_backward(self, *_: object, **__: object) -> None:
        pass


class Migration(migrations.Migration):
    dependencies = [("app", "0002_claims_and_reversals")]

    initial = False

    operations = [
        ops.RunSQL(LOG),
        ops.RunSQL(RECEIPTS),
        ops.RunSQL(LETTERS),
        LeaveToSql(name="Receipt"),
        LeaveToSql(name="OutboxRow"),
        LeaveToSql(name="Consumed"),
    ]
