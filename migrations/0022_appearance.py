"""How the widget looks in a shop and what it says there, when a storefront last had it, and the
figures of a programme for who looks at them.
"""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("app", "0021_ways")]

    initial = False

    operations = [
        ops.CreateModel(
            name="Appearance",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("part", fields.CharField(max_length=16)),
                ("version", fields.IntField()),
                ("said", fields.TextField(unique=False)),
                ("edited_by", fields.CharField(default="", max_length=64)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={
                "table": "appearances",
                "app": "app",
                "unique_together": (("shop", "part", "version"),),
                "pk_attr": "id",
                "table_description": "",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Figures",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("days", fields.IntField()),
                ("said", fields.TextField(default="", unique=False)),
                (
                    "computed_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                (
                    "due_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                (
                    "claimed_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                ("asked_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "figures",
                "app": "app",
                "unique_together": (("shop", "days"),),
                "indexes": (("asked_at",),),
                "pk_attr": "id",
                "table_description": "",
            },
            bases=["Model"],
        ),
        ops.AddField(
            model_name="Shop",
            name="widget_seen_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
    ]
