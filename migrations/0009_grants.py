"""Awards and the refunds of their orders become grants: one row an order, with all that is known of
it; members may be merged, and a programme says what a return counts by.
"""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops

MEMBERS = """
ALTER TABLE members ADD COLUMN merged_into bigint;
ALTER TABLE program_versions ADD COLUMN returns varchar(8) NOT NULL DEFAULT 'goods';
"""
# Nothing looks a grant up by its id; its row changes with every fact about its order, and finds
# room in its page.
TABLE = """
ALTER TABLE grants DROP CONSTRAINT grants_pkey;
ALTER TABLE grants SET (fillfactor = 85);
"""
# What an order earned is known by its lines, and what came back of it refund by refund. Taxes were
# not told: none is known. What had expired of it counts as gone already, as far as it was still
# its own.
CARRY_OVER = """
WITH back AS (
    SELECT shop, order_id, sum(forgiven)::bigint AS forgiven,
           COALESCE(jsonb_object_agg(
               substr(source, 8),
               jsonb_strip_nulls(jsonb_build_object(
                   'lines', data::jsonb->'lines',
                   'adjustment', -NULLIF((data::jsonb->>'adjustment_micros')::bigint, 0))))
               FILTER (WHERE source LIKE 'refund:%'), '{}') AS refunds,
           bool_or(source LIKE 'cancel:%') AS is_cancelled
      FROM reversals GROUP BY shop, order_id),
expired AS (
    SELECT shop, why::jsonb->>'lot' AS source, sum(points)::bigint AS points
      FROM ledger WHERE effect = 'expire' GROUP BY 1, 2)
INSERT INTO grants (shop, kind, source, name, member_id, outcome, rule_version, frozen, known,
                    points, reversed_points, forgiven, unmet, lapsed, revision, created_at)
SELECT award.shop, 'order', 'order:' || award.order_id, award.order_name, award.member_id,
       award.outcome, award.rule_version,
       jsonb_build_object('rule', award.rule_version,
                          'rate', COALESCE(award.frozen::jsonb->>'rate', '1'),
                          'rounding', COALESCE(award.frozen::jsonb->>'rounding', 'down'))::text,
       jsonb_strip_nulls(jsonb_build_object(
           'at', to_jsonb(told.at), 'placed_at', to_jsonb(told.at), 'paid_at', to_jsonb(told.at),
           'customer_id', member.customer_id,
           'customer_at', CASE WHEN member.id IS NOT NULL THEN to_jsonb(told.at) END,
           'lines', COALESCE(lines.known, '[]'),
           'excluded', jsonb_array_length(COALESCE(award.frozen::jsonb->'excluded', '[]')),
           'currency', COALESCE(award.frozen::jsonb->>'currency', ''),
           'is_test', award.outcome = 'test',
           'refunds', COALESCE(back.refunds, '{}'),
           'ended', CASE WHEN back.is_cancelled
                           OR (award.progress::jsonb->>'cancelled')::boolean
                         THEN 'cancel' END))::text,
       award.points, award.reversed_points,
       least(COALESCE(back.forgiven, 0), award.reversed_points), 0,
       least(COALESCE(expired.points, 0), award.points - award.reversed_points), 0,
       award.created_at
  FROM awards AS award
  LEFT JOIN members AS member ON member.id = award.member_id
  LEFT JOIN ledger AS row ON row.shop = award.shop AND row.effect = 'earn'
       AND row.source = 'order:' || award.order_id
 CROSS JOIN LATERAL (SELECT COALESCE(row.effective_at, award.created_at) AS at) AS told
 CROSS JOIN LATERAL (
       SELECT jsonb_agg(jsonb_build_array(
                  one->>'line_id', (one->>'quantity')::bigint, (one->>'quantity')::bigint,
                  greatest(0, ((one->>'base')::numeric * 1000000)::bigint), 0)
                  ORDER BY place) AS known
         FROM jsonb_array_elements(award.frozen::jsonb->'lines') WITH ORDINALITY AS told (one, place)
        WHERE (one->>'quantity')::bigint > 0) AS lines
  LEFT JOIN back ON back.shop = award.shop AND back.order_id = award.order_id
  LEFT JOIN expired ON expired.shop = award.shop AND expired.source = 'order:' || award.order_id
"""
WAITING = """
INSERT INTO grants (shop, kind, source, name, member_id, outcome, rule_version, frozen, known,
                    points, reversed_points, forgiven, unmet, lapsed, revision, created_at)
SELECT reversal.shop, 'order', 'order:' || reversal.order_id, '', NULL, 'waiting', 0, '',
       jsonb_strip_nulls(jsonb_build_object(
           'refunds', COALESCE(jsonb_object_agg(
               substr(reversal.source, 8),
               jsonb_strip_nulls(jsonb_build_object(
                   'lines', data::jsonb->'lines',
                   'adjustment', -NULLIF((data::jsonb->>'adjustment_micros')::bigint, 0))))
               FILTER (WHERE reversal.source LIKE 'refund:%'), '{}'),
           'ended', CASE WHEN bool_or(reversal.source LIKE 'cancel:%') THEN 'cancel' END))::text,
       0, 0, 0, 0, 0, 0, min(reversal.created_at)
  FROM reversals AS reversal
 WHERE NOT EXISTS (SELECT FROM grants AS found WHERE found.shop = reversal.shop
                      AND found.source = 'order:' || reversal.order_id)
 GROUP BY reversal.shop, reversal.order_id
"""


class MadeBySql(ops.AddField):
    """The model gets the field; its column is made in SQL."""

    async def database_forward(self, *_: object, **__: object) -> None:
        pass


class Migration(migrations.Migration):
    dependencies = [("app", "0008_audit")]

    initial = False

    operations = [
        ops.RunSQL(MEMBERS),
        MadeBySql("Member", "merged_into", fields.BigIntField(null=True)),
        MadeBySql("ProgramVersion", "returns", fields.CharField(max_length=8, db_default="goods")),
        ops.CreateModel(
            name="Grant",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("kind", fields.CharField(max_length=16)),
                ("source", fields.CharField(max_length=64)),
                ("name", fields.CharField(default="", max_length=64)),
                ("member_id", fields.BigIntField(null=True)),
                ("outcome", fields.CharField(max_length=16)),
                ("rule_version", fields.IntField()),
                ("frozen", fields.TextField(unique=False)),
                ("known", fields.TextField(unique=False)),
                ("points", fields.BigIntField()),
                ("reversed_points", fields.BigIntField()),
                ("forgiven", fields.BigIntField()),
                ("unmet", fields.BigIntField()),
                ("lapsed", fields.BigIntField()),
                ("revision", fields.IntField()),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={
                "table": "grants",
                "app": "app",
                "unique_together": (("shop", "source"),),
                "pk_attr": "id",
                "table_description": "What gave points, and may take them back: it follows what it "
                "is for, such as an order.",
            },
            bases=["Model"],
        ),
        ops.RunSQL(TABLE),
        ops.RunSQL(CARRY_OVER),
        ops.RunSQL(WAITING),
        ops.DeleteModel(name="Award"),
        ops.DeleteModel(name="Reversal"),
    ]
