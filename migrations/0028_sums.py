"""All that counts of a member is kept with where they stand, so that an order adds to it instead of
adding it up: who stands somewhere already gets it with their next order. What a trial of a campaign
has yet to know is kept apart from what pages show of it.
"""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


# what is being answered goes on from what it has found
UNFINISHED = "UPDATE what_ifs SET working = found WHERE ended_at IS NULL"


class Migration(migrations.Migration):
    dependencies = [("app", "0027_referrals")]

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
        ops.AddField(
            model_name="WhatIf",
            name="working",
            field=fields.TextField(db_default=""),
        ),
        ops.RunSQL(UNFINISHED, reverse_sql="SELECT 1"),
    ]
