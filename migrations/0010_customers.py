"""When customers ordered last, notes about them, changes of many balances at once, and the
programme's states; a long ledger by date.
"""

from tortoise import fields, migrations
from tortoise.contrib.postgres.fields import ArrayField
from tortoise.migrations import operations as ops

# Apart from the customers: an order changes it, and would have to move in all their indexes.
LAST_ORDERS = """
CREATE TABLE last_orders (
    shop text NOT NULL,
    customer_id text NOT NULL,
    ordered_at timestamptz NOT NULL,
    PRIMARY KEY (shop, customer_id)
) WITH (fillfactor = 90);
CREATE INDEX last_orders_newest ON last_orders (shop, ordered_at, customer_id);
-- the newest order that is known of each: of what earned, when it did; of the others, when it came
INSERT INTO last_orders (shop, customer_id, ordered_at)
SELECT member.shop, member.customer_id, max(COALESCE(row.effective_at, given.created_at))
  FROM grants AS given
  JOIN members AS member ON member.id = given.member_id
  LEFT JOIN ledger AS row ON row.shop = given.shop AND row.effect = 'earn'
       AND row.source = given.source
 GROUP BY member.shop, member.customer_id;
INSERT INTO last_orders AS known (shop, customer_id, ordered_at)
SELECT shop, customer_id, first_order_at FROM customers WHERE first_order_at IS NOT NULL
ON CONFLICT (shop, customer_id) DO UPDATE SET ordered_at = excluded.ordered_at
      WHERE known.ordered_at < excluded.ordered_at;
"""
# A shop that earned before it had rules of its own goes on doing so.
LIVE = """
INSERT INTO program_versions (shop, version, rate, rounding, pending_days, expiry_days, clawback,
                              timezone, currency, state, edited_by, created_at)
SELECT domain, 1, 1, 'down', 0, NULL, 'within_balance', timezone, currency, 'live', 'Holdfast',
       installed_at
  FROM shops WHERE NOT EXISTS (SELECT FROM program_versions WHERE shop = domain);
"""
# Hardly anybody has a thousand movements: those are sorted as they are read, and only what comes
# behind them costs its posting an index more.
BY_DATE = """
CREATE INDEX ledger_long_by_date ON ledger (member_id, effective_at, sequence)
INCLUDE (effect, source) WHERE sequence > 1000
"""
# what is still to be done is looked for by every worker, again and again
UNFINISHED = "CREATE INDEX bulk_unfinished ON bulk_adjustments (id) WHERE ended_at IS NULL"


class AddFilled(ops.AddField):
    """A column that may not be null, filled in the rows that are there: Tortoise's own does not."""

    def __init__(self, model_name, name, field, sql):
        super().__init__(model_name, name, field)
        self.sql = sql

    async def database_forward(self, app_label, old_state, new_state, state_editor=None):
        if state_editor is None:
            return
        table = new_state.apps.get_model(f"{app_label}.{self.model_name}")._meta.db_table
        await state_editor.client.execute_script(
            f'ALTER TABLE "{table}" ADD COLUMN "{self.name}" {self.sql}'
        )


class Migration(migrations.Migration):
    dependencies = [("app", "0009_grants")]

    initial = False

    operations = [
        ops.RunSQL(LAST_ORDERS),
        ops.CreateModel(
            name="CustomerNote",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("customer_id", fields.CharField(max_length=32)),
                ("key", fields.CharField(max_length=128)),
                ("text", fields.TextField(unique=False)),
                ("written_by", fields.CharField(max_length=64)),
                ("written_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={
                "table": "customer_notes",
                "app": "app",
                "unique_together": (("shop", "customer_id", "key"),),
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="BulkAdjustment",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("key", fields.CharField(max_length=128)),
                ("points", fields.BigIntField()),
                ("reason", fields.TextField(unique=False)),
                ("filters", fields.TextField(unique=False)),
                ("asked_by", fields.CharField(max_length=64)),
                ("state", fields.CharField(max_length=16)),
                (
                    "walked_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                ("walked_id", fields.BigIntField(default=0)),
                ("member_ids", ArrayField(element_type="BIGINT")),
                ("total", fields.IntField(default=0)),
                ("place", fields.IntField(default=0)),
                ("done", fields.IntField(default=0)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("ended_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "bulk_adjustments",
                "app": "app",
                "unique_together": (("shop", "key"),),
                "indexes": [],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        AddFilled(
            "ProgramVersion",
            "state",
            fields.CharField(max_length=8, db_default="live"),
            "varchar(8) NOT NULL DEFAULT 'live'",
        ),
        ops.RunSQL([LIVE, BY_DATE, UNFINISHED]),
    ]
