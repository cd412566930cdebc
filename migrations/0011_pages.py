"""What forms need to be told apart: versions and keys of rewards, notes of what was dismissed."""

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


class Migration(migrations.Migration):
    dependencies = [("app", "0010_customers")]

    initial = False

    operations = [
        AddFilled("Reward", "version", fields.IntField(default=1), "integer NOT NULL DEFAULT 1"),
        ops.AddField(
            model_name="Reward",
            name="idempotency_key",
            field=fields.CharField(null=True, unique=False, max_length=128),
        ),
        ops.AddField(
            model_name="DeadLetter",
            name="note",
            field=fields.TextField(null=True, unique=False),
        ),
        ops.AddField(
            model_name="DeadLetter",
            name="dismissed_by",
            field=fields.CharField(null=True, unique=False, max_length=128),
        ),
        ops.AddField(
            model_name="DeadLetter",
            name="dismissed_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.RunSQL(
            [
                # of two clicks with one key, one makes the reward
                "CREATE UNIQUE INDEX rewards_key ON rewards (shop, idempotency_key)"
                " WHERE idempotency_key IS NOT NULL",
                "CREATE INDEX dead_letters_dismissed ON dead_letters (shop, dismissed_at)"
                " WHERE state = 'discarded'",
            ]
        ),
    ]
