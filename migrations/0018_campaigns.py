"""Campaigns: every version of them, how they stack, and what each gave."""

from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("app", "0017_earning")]

    initial = False

    operations = [
        ops.CreateModel(
            name="Campaign",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("campaign_id", fields.CharField(max_length=36)),
                ("version", fields.IntField()),
                ("sort_name", fields.CharField(max_length=100)),
                ("state", fields.CharField(max_length=8)),
                ("starts_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("ends_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("definition", fields.TextField(unique=False)),
                ("labels", fields.TextField(default="{}", unique=False)),
                ("idempotency_key", fields.CharField(null=True, max_length=128)),
                ("request_hash", fields.CharField(default="", max_length=64)),
                ("edited_by", fields.CharField(max_length=64)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("updated_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={
                "table": "campaigns",
                "app": "app",
                "unique_together": (("shop", "campaign_id"), ("shop", "idempotency_key")),
                "indexes": [Index(fields=["shop", "id"])],
                "pk_attr": "id",
                "table_description": (
                    "A campaign as it is now; `definition` is `own_facts.Campaign` as JSON."
                ),
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="CampaignResult",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("event_id", fields.CharField(max_length=36)),
                ("campaign_id", fields.CharField(max_length=36)),
                ("version", fields.IntField()),
                ("source", fields.CharField(max_length=160)),
                ("customer_id", fields.CharField(max_length=32)),
                ("points", fields.BigIntField()),
                ("at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "campaign_results",
                "app": "app",
                "unique_together": (("shop", "event_id", "campaign_id", "version"),),
                "indexes": [
                    Index(fields=["shop", "campaign_id", "customer_id"]),
                    Index(fields=["shop", "campaign_id", "source"]),
                ],
                "pk_attr": "id",
                "table_description": (
                    "Points a campaign gave, or below 0 that went back, by the fact that "
                    "told it."
                ),
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="CampaignStacking",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("version", fields.IntField()),
                ("policy", fields.CharField(max_length=8)),
                ("cap", fields.CharField(default="", max_length=16)),
                ("edited_by", fields.CharField(max_length=64)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={
                "table": "campaign_stackings",
                "app": "app",
                "unique_together": (("shop", "version"),),
                "pk_attr": "id",
                "table_description": (
                    "How the multipliers of a shop go together, from a moment on; never "
                    "changed."
                ),
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="CampaignSum",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("campaign_id", fields.CharField(max_length=36)),
                ("given", fields.BigIntField(default=0)),
                ("taken_back", fields.BigIntField(default=0)),
                ("orders", fields.BigIntField(default=0)),
                ("customers", fields.BigIntField(default=0)),
                ("as_of", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "campaign_sums",
                "app": "app",
                "unique_together": (("shop", "campaign_id"),),
                "pk_attr": "id",
                "table_description": "The sums of a campaign's results.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="CampaignVersion",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("campaign_id", fields.CharField(max_length=36)),
                ("version", fields.IntField()),
                ("definition", fields.TextField(unique=False)),
                ("labels", fields.TextField(default="{}", unique=False)),
                ("edited_by", fields.CharField(max_length=64)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={
                "table": "campaign_versions",
                "app": "app",
                "unique_together": (("shop", "campaign_id", "version"),),
                "pk_attr": "id",
                "table_description": "A campaign as it was from a moment on; never changed.",
            },
            bases=["Model"],
        ),
    ]
