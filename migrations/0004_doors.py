from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("app", "0003_log")]

    initial = False

    operations = [
        ops.AddField(
            model_name="Shop",
            name="leaving_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Shop",
            name="leaving_ask_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Shop",
            name="leaving_tries",
            field=fields.IntField(null=True),
        ),
        ops.AddField(
            model_name="Shop",
            name="stayed_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        # looked at every few seconds, and nearly always empty
        ops.RunSQL(
            "CREATE INDEX shops_leaving ON shops (leaving_ask_at) WHERE leaving_at IS NOT NULL",
            "DROP INDEX shops_leaving",
        ),
    ]
