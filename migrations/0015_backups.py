"""When backups and drills last went well; the log goes on above what a lost future had written, and
the epoch knows which cluster it was told of.

After a restore or a fail-over Postgres is on a new timeline, and counts its transactions from where
the old one was: what it writes then must come after all that was written before it, also after what
only others (Kafka, a copy) still have. So the timeline stands in front of the transaction's number.
"""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops

MARKS = """
CREATE TABLE backup_marks (
    name text PRIMARY KEY,
    at timestamptz NOT NULL,
    said text NOT NULL
);
"""
# Where Postgres does not tell (a replica, some providers) everything is as it was before. 2^42
# transactions are a thousand a second for 139 years.
TIMELINE = """
CREATE FUNCTION log_timeline() RETURNS bigint STABLE LANGUAGE plpgsql AS $$
BEGIN
    RETURN least(16383,
        ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint - 1);
EXCEPTION WHEN OTHERS THEN
    RETURN 0;
END $$;
CREATE FUNCTION cluster_mark() RETURNS text STABLE LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT system_identifier::text FROM pg_control_system())
        || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8);
EXCEPTION WHEN OTHERS THEN
    RETURN '';
END $$;
CREATE FUNCTION set_log_base(base bigint) RETURNS void LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF base <= log_base() THEN RAISE 'the base of the log only rises'; END IF;
    EXECUTE format('CREATE OR REPLACE FUNCTION log_base() RETURNS bigint STABLE LANGUAGE sql '
                   'AS %L', format('SELECT %s::bigint', base));
END $$;
CREATE OR REPLACE FUNCTION log_tx() RETURNS bigint VOLATILE LANGUAGE sql
    AS 'SELECT log_base() + (log_timeline() << 42) + pg_current_xact_id()::text::bigint';
CREATE OR REPLACE FUNCTION log_horizon() RETURNS bigint STABLE LANGUAGE sql
    AS 'SELECT log_base() + (log_timeline() << 42) + pg_snapshot_xmin(
        pg_current_snapshot())::text::bigint';
"""

# Days of the log are made and ended by whoever keeps it, which need not own its tables.
DAYS = """
CREATE FUNCTION make_day(of_table text, day date) RETURNS void LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF of_table NOT IN ('facts', 'receipts', 'webhook_bodies') THEN
        RAISE '% has no days', of_table;
    END IF;
    EXECUTE format('CREATE TABLE IF NOT EXISTS %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                   of_table || to_char(day, '"_"YYYYMMDD'), of_table, day, day + 1);
END $$;
CREATE FUNCTION end_day(of_table text, day date) RETURNS void LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF of_table NOT IN ('facts', 'receipts', 'webhook_bodies') THEN
        RAISE '% has no days', of_table;
    END IF;
    EXECUTE format('DROP TABLE IF EXISTS %I', of_table || to_char(day, '"_"YYYYMMDD'));
END $$;
REVOKE EXECUTE ON FUNCTION make_day, end_day, set_log_base FROM PUBLIC;
"""


class Migration(migrations.Migration):
    dependencies = [("app", "0014_flags")]

    initial = False

    operations = [
        ops.RunSQL(MARKS),
        ops.RunSQL(TIMELINE),
        ops.RunSQL(DAYS),
        ops.AddField(
            model_name="RedisEpoch",
            name="cluster",
            field=fields.CharField(null=True, max_length=64),
        ),
    ]
