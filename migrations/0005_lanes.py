from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("app", "0004_doors")]

    initial = False

    operations = [
        ops.AddField(
            model_name="SpilledWebhook",
            name="moved_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.CreateModel(
            name="RedisEpoch",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("era", fields.CharField(max_length=16)),
                ("beat", fields.BigIntField()),
                ("oldest_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("seen_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "redis_epochs",
                "app": "app",
                "pk_attr": "id",
                "table_description": (
                    "What Redis must know to be the Redis we knew: one row, moved forward every "
                    "second."
                ),
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="RedisLoss",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("kind", fields.CharField(max_length=16)),
                ("lost_from", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("noticed_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                (
                    "reconciled_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "redis_losses",
                "app": "app",
                "pk_attr": "id",
                "table_description": (
                    "A time Redis lost webhooks that were waiting; what came since `lost_from` "
                    "is to be compared\nwith Shopify."
                ),
            },
            bases=["Model"],
        ),
        # spilled webhooks go back shop by shop, the oldest of each first
        ops.RunSQL(
            "CREATE INDEX idx_spilled_waiting ON spilled_webhooks (shop, id) "
            "WHERE moved_at IS NULL; "
            "CREATE INDEX idx_spilled_moved ON spilled_webhooks (id) WHERE moved_at IS NOT NULL",
            "DROP INDEX idx_spilled_waiting; DROP INDEX idx_spilled_moved",
        ),
    ]
