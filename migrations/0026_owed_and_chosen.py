"""Birthdays that are owed to whoever was frozen on the day, rewards after a friend's second order,
and shops that want nothing told of them.
"""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("app", "0025_merged")]

    initial = False

    operations = [
        ops.AddField(
            model_name="Birthday",
            name="owed_on",
            field=fields.DateField(null=True),
        ),
        ops.AddField(
            model_name="ReferralSettings",
            name="order_number",
            field=fields.IntField(db_default=1),
        ),
        ops.RunSQL(
            "CREATE INDEX birthdays_owed ON birthdays (owed_on) WHERE owed_on IS NOT NULL",
            reverse_sql="DROP INDEX birthdays_owed",
        ),
        # whose addresses are forgotten after a while
        ops.RunSQL(
            "CREATE INDEX referrals_refused ON referrals (updated_at)"
            " WHERE verdict = 'block' AND state = 'claimed' AND friend_email <> ''",
            reverse_sql="DROP INDEX referrals_refused",
        ),
        ops.RunSQL(
            "CREATE TABLE analytics_choices (shop varchar(255) PRIMARY KEY,"
            " is_off boolean NOT NULL,"
            " at timestamptz NOT NULL DEFAULT now())",
            reverse_sql="DROP TABLE analytics_choices",
        ),
    ]
