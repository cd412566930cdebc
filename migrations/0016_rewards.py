"""Rewards of all kinds with their conditions; redemptions keep those, and the order that used them.

An earlier release goes on writing rows: what it does not know has a default, by which a reward is
an amount off the order.
"""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops

# rows are many: a column with a constant default changes none of them
COLUMNS = """
ALTER TABLE rewards
    ADD COLUMN kind varchar(16) NOT NULL DEFAULT 'amount_off',
    ADD COLUMN details text NOT NULL DEFAULT '{}';
ALTER TABLE redemptions
    ADD COLUMN kind varchar(16) NOT NULL DEFAULT 'amount_off',
    ADD COLUMN returned_points bigint NOT NULL DEFAULT 0,
    ADD COLUMN details text NOT NULL DEFAULT '{}',
    ADD COLUMN ends_at timestamptz,
    ADD COLUMN order_id varchar(32) NOT NULL DEFAULT '',
    ADD COLUMN taking_back_at timestamptz,
    ALTER COLUMN discount_gid TYPE varchar(128);
CREATE INDEX redemptions_order ON redemptions (shop, order_id) WHERE order_id <> '';
"""
BACK = """
DROP INDEX redemptions_order;
ALTER TABLE redemptions
    DROP COLUMN kind, DROP COLUMN returned_points, DROP COLUMN details, DROP COLUMN ends_at,
    DROP COLUMN order_id, DROP COLUMN taking_back_at;
ALTER TABLE rewards DROP COLUMN kind, DROP COLUMN details;
"""


class MadeBySql(ops.AddField):
    """The model gets the field; its column is made, and taken away, in SQL."""

    async def database_forward(self, *_: object, **__: object) -> None:
        pass

    async def database_backward(self, *_: object, **__: object) -> None:
        pass


class WidenedBySql(ops.AlterField):
    """A column that statements of ours widen; it stays wide when the release goes."""

    async def database_forward(self, *_: object, **__: object) -> None:
        pass

    async def database_backward(self, *_: object, **__: object) -> None:
        pass


class Migration(migrations.Migration):
    dependencies = [("app", "0015_backups")]

    initial = False

    operations = [
        ops.RunSQL(COLUMNS, BACK),
        MadeBySql("Reward", "kind", fields.CharField(max_length=16, db_default="amount_off")),
        MadeBySql("Reward", "details", fields.TextField(db_default="{}", unique=False)),
        MadeBySql("Redemption", "kind", fields.CharField(max_length=16, db_default="amount_off")),
        MadeBySql("Redemption", "returned_points", fields.BigIntField(db_default=0)),
        MadeBySql("Redemption", "details", fields.TextField(db_default="{}", unique=False)),
        MadeBySql("Redemption", "ends_at", fields.DatetimeField(null=True)),
        MadeBySql("Redemption", "order_id", fields.CharField(max_length=32, db_default="")),
        MadeBySql("Redemption", "taking_back_at", fields.DatetimeField(null=True)),
        WidenedBySql(
            "Redemption", "discount_gid", fields.CharField(default="", max_length=128)
        ),
    ]
