"""Store credit that is taken back: each debit counts for one redemption, by its id at Shopify."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops

COLUMNS = """
ALTER TABLE redemptions
    ADD COLUMN taking_back_after varchar(128) NOT NULL DEFAULT '',
    ADD COLUMN taken_gid varchar(128) NOT NULL DEFAULT '';
CREATE UNIQUE INDEX redemptions_taken ON redemptions (shop, taken_gid) WHERE taken_gid <> '';
"""
BACK = """
DROP INDEX redemptions_taken;
ALTER TABLE redemptions DROP COLUMN taking_back_after, DROP COLUMN taken_gid;
"""


class MadeBySql(ops.AddField):
    """The model gets the field; its column is made, and taken away, in SQL."""

    async def database_forward(self, *_: object, **__: object) -> None:
        pass

    async def database_backward(self, *_: object, **__: object) -> None:
        pass


class Migration(migrations.Migration):
    dependencies = [("app", "0023_late")]

    initial = False

    operations = [
        ops.RunSQL(COLUMNS, BACK),
        MadeBySql(
            "Redemption", "taking_back_after", fields.CharField(max_length=128, db_default="")
        ),
        MadeBySql("Redemption", "taken_gid", fields.CharField(max_length=128, db_default="")),
    ]
