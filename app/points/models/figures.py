"""The table of what a programme brings, kept for who looks at it."""

from tortoise import fields

from app.tables import Model


class Figures(Model):
    """The figures of a shop over so many days, as of when they were last added up."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    days = fields.IntField()
    said = fields.TextField(default="")  # JSON: figures.rules.Compared
    computed_at = fields.DatetimeField(null=True)
    due_at = fields.DatetimeField(null=True)  # fresh until then
    claimed_at = fields.DatetimeField(null=True)  # by whoever adds up; it lapses
    asked_at = fields.DatetimeField()  # when somebody last looked

    class Meta:
        table = "figures"
        unique_together = (("shop", "days"),)
        indexes = (("asked_at",),)
