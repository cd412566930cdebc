"""Tiers: their settings version by version, what counts towards them, and who is in which."""

from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops

# Nothing looks these up by their id. A standing changes with each order of its member, and finds
# room in its page.
TABLES = """
ALTER TABLE qualifying DROP CONSTRAINT qualifying_pkey;
ALTER TABLE tier_standings DROP CONSTRAINT tier_standings_pkey;
ALTER TABLE tier_standings SET (fillfactor = 85);
CREATE INDEX tier_standings_due ON tier_standings (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX tier_shops_busy ON tier_shops (shop) WHERE stage <> 'done';
"""


class Migration(migrations.Migration):
    dependencies = [("app", "0018_campaigns")]

    initial = False

    operations = [
        ops.CreateModel(
            name="TierVersion",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True)),
                ("shop", fields.CharField(max_length=255)),
                ("version", fields.IntField()),
                ("scheme", fields.TextField()),
                ("edited_by", fields.CharField(max_length=64)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={
                "table": "tier_versions",
                "app": "app",
                "unique_together": (("shop", "version"),),
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="TierShop",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True)),
                ("shop", fields.CharField(unique=True, max_length=255)),
                ("version", fields.IntField()),
                ("is_on", fields.BooleanField()),
                ("timezone", fields.CharField(max_length=64)),
                ("counts_from_days", fields.IntField(null=True)),
                ("stage", fields.CharField(max_length=16)),
                ("since_tx", fields.BigIntField()),
                ("place", fields.TextField()),
                ("done", fields.IntField()),
                ("total", fields.IntField()),
                ("asked_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("ended_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("figures", fields.TextField()),
                ("figures_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={"table": "tier_shops", "app": "app", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Qualifying",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True)),
                ("shop", fields.CharField(max_length=255)),
                ("member_id", fields.BigIntField()),
                ("source", fields.CharField(max_length=64)),
                ("at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("points", fields.BigIntField()),
                ("spend", fields.BigIntField()),
                ("orders", fields.IntField()),
            ],
            options={
                "table": "qualifying",
                "app": "app",
                "unique_together": (("shop", "member_id", "source"),),
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="TierStanding",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True)),
                ("shop", fields.CharField(max_length=255)),
                ("member_id", fields.BigIntField()),
                ("tier_id", fields.CharField(max_length=16)),
                ("version", fields.IntField()),
                ("have", fields.BigIntField()),
                ("peak", fields.BigIntField()),
                ("changed_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("due_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "tier_standings",
                "app": "app",
                "unique_together": (("shop", "member_id"),),
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="TierChange",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True)),
                ("shop", fields.CharField(max_length=255)),
                ("member_id", fields.BigIntField()),
                ("at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("before_id", fields.CharField(max_length=16)),
                ("tier_id", fields.CharField(max_length=16)),
                ("tier", fields.CharField(max_length=64)),
                ("version", fields.IntField()),
                ("cause", fields.CharField(max_length=16)),
                ("why", fields.TextField()),
                ("recorded_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={
                "table": "tier_changes",
                "app": "app",
                "indexes": [Index(fields=["member_id", "at", "id"])],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.RunSQL(TABLES),
    ]
