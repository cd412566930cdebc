"""As of when is known what a shop says of itself, so that an older word that arrives late, or is
read again, changes nothing.
"""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("app", "0012_bodies")]

    initial = False

    operations = [
        ops.AddField(
            model_name="Shop",
            name="said_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="ProgramVersion",
            name="shop_said_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
    ]
