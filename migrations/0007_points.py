from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class AddFilled(ops.AddField):
    """A column that may not be null, filled in the rows that are there: Tortoise's own does not."""

    def __init__(self, model_name, name, field, sql):
        super().__init__(model_name, name, field)
        self.sql = sql

    async def database_forward(self, app_label, old_state, new_state, state_editor=None):
        if state_editor is None:
            return
        table = new_state.apps.get_model(f"{app_label}.{self.model_name}")._meta.db_table
        await state_editor.client.execute_script(
            f'ALTER TABLE "{table}" ADD COLUMN "{self.name}" {self.sql};'
            f' ALTER TABLE "{table}" ALTER COLUMN "{self.name}" DROP DEFAULT'
        )


class ToText(ops.AlterField):
    """A JSON column becomes text that holds the same JSON; Tortoise changes no types by itself."""

    async def database_forward(self, app_label, old_state, new_state, state_editor=None):
        if state_editor is None:
            return
        model = new_state.apps.get_model(f"{app_label}.{self.model_name}")
        await state_editor.client.execute_script(
            f'ALTER TABLE "{model._meta.db_table}"'
            f' ALTER COLUMN "{self.name}" TYPE text USING "{self.name}"::text'
        )


class Migration(migrations.Migration):
    dependencies = [("app", "0006_customers")]

    initial = False

    operations = [
        ops.AddField(
            model_name="Member",
            name="frozen_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        AddFilled(
            "Member",
            "frozen_reason",
            fields.TextField(default="", unique=False),
            "text NOT NULL DEFAULT ''",
        ),
        AddFilled(
            "Redemption", "tries_sent", fields.IntField(default=0), "integer NOT NULL DEFAULT 0"
        ),
        # of those that wait, any attempt may have reached Shopify
        ops.RunSQL(["UPDATE redemptions SET tries_sent = attempts WHERE state = 'held'"]),
        ToText("Award", "frozen", fields.TextField(unique=False)),
        ToText("Award", "progress", fields.TextField(default="{}", unique=False)),
        ToText("Reversal", "data", fields.TextField(unique=False)),
        ToText("Redemption", "allocations", fields.TextField(unique=False)),
        # Nothing looks a ledger row or award up by its id, or a lot by its source, which is
        # unique already as the source of the ledger row that made it.
        ops.RunSQL(
            [
                "ALTER TABLE ledger DROP CONSTRAINT IF EXISTS ledger_pkey",
                "ALTER TABLE awards DROP CONSTRAINT awards_pkey",
            ]
        ),
        ops.RemoveConstraint("Lot", fields=["shop", "source"]),
        ops.RemoveIndex("Lot", fields=["member_id"]),
        ops.RemoveIndex("Lot", fields=["due_at"]),
        ops.RemoveIndex("Reversal", fields=["shop", "order_id"]),
        ops.RunSQL(
            [
                # what is spent, done or applied leaves the index
                "CREATE INDEX lots_with_points ON lots (member_id) WHERE remaining > 0",
                "CREATE INDEX lots_hold_back_ends ON lots (due_at) WHERE is_pending",
                "CREATE INDEX lots_expire ON lots (due_at)"
                " WHERE NOT is_pending AND due_at IS NOT NULL",
                "CREATE INDEX reversals_waiting ON reversals (shop, order_id) WHERE NOT is_applied",
                # Every posting changes a member: with room in the page, no index has to follow.
                # A new member is changed at once; half a page is room for a whole page of them.
                "ALTER TABLE members SET (fillfactor = 50)",
            ]
        ),
    ]
