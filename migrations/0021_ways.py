"""Ways to earn besides orders, and the steps of sagas."""

from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops

INDEXES = """
-- of two clicks with one key, one makes the way
CREATE UNIQUE INDEX ways_key ON ways (shop, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX ways_walk ON ways (walk_at) WHERE kind = 'birthday' AND is_active;
CREATE INDEX saga_steps_due ON saga_steps (due_at) WHERE state = 'waiting';
-- what a member was given besides orders
CREATE INDEX grants_ways ON grants (member_id) WHERE kind <> 'order'
"""


class Migration(migrations.Migration):
    dependencies = [("app", "0020_referrals")]

    initial = False

    operations = [
        ops.CreateModel(
            name="ApiKey",
            fields=[
                (
                    "shop",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=255),
                ),
                ("secret_hash", fields.BinaryField()),
                ("hint", fields.CharField(max_length=8)),
                ("made_by", fields.CharField(max_length=64)),
                ("made_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={
                "table": "api_keys",
                "app": "app",
                "pk_attr": "shop",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Birthday",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("customer_id", fields.CharField(max_length=32)),
                ("month_day", fields.CharField(max_length=5)),
                ("given_on", fields.DateField(null=True)),
                ("edited_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={
                "table": "birthdays",
                "app": "app",
                "unique_together": (("shop", "customer_id"),),
                "indexes": [Index(fields=["shop", "month_day", "customer_id"])],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="SagaStep",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("saga", fields.CharField(max_length=16)),
                ("subject", fields.CharField(max_length=64)),
                ("customer_id", fields.CharField(max_length=32)),
                ("step", fields.CharField(max_length=16)),
                ("state", fields.CharField(max_length=8)),
                ("words", fields.TextField(unique=False)),
                ("at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("due_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("tries", fields.IntField(default=0)),
            ],
            options={
                "table": "saga_steps",
                "app": "app",
                "unique_together": (("shop", "saga", "subject", "step"),),
                "indexes": [Index(fields=["shop", "customer_id"])],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Way",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("kind", fields.CharField(max_length=16)),
                ("handle", fields.CharField(default="", max_length=120)),
                ("title", fields.CharField(max_length=120)),
                ("points", fields.BigIntField()),
                ("per", fields.CharField(default="once", max_length=8)),
                ("times", fields.IntField(default=1)),
                ("url", fields.CharField(default="", max_length=500)),
                ("is_active", fields.BooleanField(default=True)),
                ("version", fields.IntField(default=1)),
                ("idempotency_key", fields.CharField(null=True, max_length=128)),
                ("given", fields.BigIntField(default=0)),
                ("given_points", fields.BigIntField(default=0)),
                ("walk_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("walked_on", fields.DateField(null=True)),
                ("walked_id", fields.CharField(default="", max_length=32)),
                ("updated_at", fields.DatetimeField(auto_now=True, auto_now_add=False)),
            ],
            options={
                "table": "ways",
                "app": "app",
                "unique_together": (("shop", "kind", "handle"),),
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="WayCall",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("key", fields.CharField(max_length=140)),
                ("request_hash", fields.CharField(max_length=64)),
                ("answer", fields.TextField(unique=False)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={
                "table": "way_calls",
                "app": "app",
                "unique_together": (("shop", "key"),),
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="WayVersion",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("way_id", fields.BigIntField()),
                ("version", fields.IntField()),
                ("title", fields.CharField(max_length=120)),
                ("points", fields.BigIntField()),
                ("per", fields.CharField(max_length=8)),
                ("times", fields.IntField()),
                ("is_active", fields.BooleanField()),
                ("edited_by", fields.CharField(max_length=64)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={
                "table": "way_versions",
                "app": "app",
                "unique_together": (("shop", "way_id", "version"),),
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.RunSQL(INDEXES),
    ]
