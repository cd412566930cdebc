"""All that counts of a member is kept with where they stand, so that an order adds to it instead of
adding it up. Who stands somewhere already gets it with their next order.
"""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("app", "0023_late")]

    initial = False

    operations = [
        ops.AddField(
            model_name="TierStanding",
            name="total",
            field=fields.BigIntField(null=True),
        ),
        ops.AddField(
            model_name="TierStanding",
            name="first_on",
            field=fields.DateField(null=True),
        ),
        ops.AddField(
            model_name="TierStanding",
            name="last_at",
            field=fields.DatetimeField(null=True),
        ),
    ]
