"""Birthdays that are owed to whoever was frozen on the day, rewards after a friend's second order,
and shops that want nothing told of them.
"""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("app", "0023_late")]

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
            field=fields.IntField(default=1),
        ),
        # the release before this one writes rows without it
        ops.RunSQL(
            "ALTER TABLE referral_settings ALTER COLUMN order_number SET DEFAULT 1",
            reverse_sql="ALTER TABLE referral_settings ALTER COLUMN order_number DROP DEFAULT",
        ),
        ops.RunSQL(
            "CREATE INDEX birthdays_owed ON birthdays (owed_on) WHERE owed_on IS NOT NULL",
            reverse_sql="DROP INDEX birthdays_owed",
        ),
        ops.RunSQL(
            "CREATE TABLE analytics_choices (shop varchar(255) PRIMARY KEY, is_off boolean NOT NULL,"
            " at timestamptz NOT NULL DEFAULT now())",
            reverse_sql="DROP TABLE analytics_choices",
        ),
    ]
