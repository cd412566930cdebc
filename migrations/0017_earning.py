"""What of orders earns, and bonuses: copies of campaigns and what they gave, who was in which
segment and had which tag, the products of collections that rules name, and what-ifs.
"""

from uuid import uuid4

from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops

# what waits is little beside what there is
INDEXES = """
CREATE INDEX campaign_copies_look ON campaign_copies (look_at) WHERE look_at IS NOT NULL;
CREATE INDEX collections_due ON collections (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX what_ifs_open ON what_ifs (seen_at) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX what_ifs_one ON what_ifs (shop) WHERE ended_at IS NULL;
"""


class Migration(migrations.Migration):
    dependencies = [("app", "0016_rewards")]

    initial = False

    operations = [
        ops.CreateModel(
            name="CampaignCopy",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("campaign_id", fields.CharField(max_length=64)),
                ("version", fields.IntField()),
                ("told", fields.TextField(unique=False)),
                ("at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("ends_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("learned_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("look_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("looks", fields.IntField(default=0)),
                ("looked_to", fields.BigIntField(default=0)),
            ],
            options={
                "table": "campaign_copies",
                "app": "app",
                "unique_together": (("shop", "campaign_id", "version"),),
                "indexes": [Index(fields=["shop", "id"])],
                "pk_attr": "id",
                "table_description": (
                    "A version of a campaign as it was told to points, or, where no "
                    "campaign is named, of how they stack."
                ),
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="CampaignPurse",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("campaign_id", fields.CharField(max_length=64)),
                ("points", fields.BigIntField()),
            ],
            options={
                "table": "campaign_purses",
                "app": "app",
                "unique_together": (("shop", "campaign_id"),),
                "pk_attr": "id",
                "table_description": (
                    "What a campaign with a budget gave, less what was taken back: the "
                    "budget is kept by this."
                ),
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="CampaignUse",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("campaign_id", fields.CharField(max_length=64)),
                ("member_id", fields.BigIntField()),
                ("points", fields.BigIntField()),
                ("spent", fields.BigIntField()),
            ],
            options={
                "table": "campaign_uses",
                "app": "app",
                "unique_together": (("shop", "campaign_id", "member_id"),),
                "pk_attr": "id",
                "table_description": (
                    "What a member got from a campaign with a cap, and spent for its goal."
                ),
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Collection",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("collection_id", fields.CharField(max_length=32)),
                ("title", fields.CharField(default="", max_length=255)),
                ("fetched_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("due_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("problem", fields.TextField(default="", unique=False)),
            ],
            options={
                "table": "collections",
                "app": "app",
                "unique_together": (("shop", "collection_id"),),
                "pk_attr": "id",
                "table_description": "A collection that rules name, as it was fetched last.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="CollectionProduct",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("collection_id", fields.CharField(max_length=32)),
                ("product_id", fields.CharField(max_length=32)),
            ],
            options={
                "table": "collection_products",
                "app": "app",
                "unique_together": (("shop", "collection_id", "product_id"),),
                "pk_attr": "id",
                "table_description": "That a product is in a collection.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Membership",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("customer_id", fields.CharField(max_length=32)),
                ("kind", fields.CharField(max_length=8)),
                ("name", fields.CharField(max_length=255)),
                ("at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("is_in", fields.BooleanField()),
            ],
            options={
                "table": "memberships",
                "app": "app",
                "unique_together": (("shop", "customer_id", "kind", "name", "at"),),
                "pk_attr": "id",
                "table_description": (
                    "That a customer came into a segment, or was given a tag, at a moment; "
                    "or left it."
                ),
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="WhatIf",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("asked", fields.TextField(unique=False)),
                ("state", fields.CharField(max_length=8)),
                ("since", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("place", fields.BigIntField(default=0)),
                ("until", fields.BigIntField(default=0)),
                ("total", fields.IntField(default=0)),
                ("done", fields.IntField(default=0)),
                ("found", fields.TextField(default="", unique=False)),
                ("problem", fields.TextField(default="", unique=False)),
                ("seen_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("ended_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "what_ifs",
                "app": "app",
                "indexes": [Index(fields=["shop", "created_at"])],
                "pk_attr": "id",
                "table_description": (
                    "What the orders of the last days would have earned under a campaign."
                ),
            },
            bases=["Model"],
        ),
        ops.AddField(
            model_name="Grant",
            name="bonuses",
            field=fields.TextField(db_default="", unique=False),
        ),
        ops.AddField(
            model_name="ProgramVersion",
            name="order_terms",
            field=fields.TextField(db_default="", unique=False),
        ),
        ops.RunSQL(INDEXES),
    ]
