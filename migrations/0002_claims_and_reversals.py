from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("app", "0001_initial")]

    initial = False

    operations = [
        ops.AddField(
            model_name="Reversal",
            name="forgiven",
            field=fields.BigIntField(default=0),
        ),
        ops.AddField(
            model_name="Reversal",
            name="points",
            field=fields.BigIntField(default=0),
        ),
        ops.AddField(
            model_name="Shop",
            name="token_claimed_until",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
    ]
