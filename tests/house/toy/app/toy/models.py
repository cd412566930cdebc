"""The one table of toy."""

from tortoise import fields
from tortoise.models import Model


class ToyOrder(Model):
    """An order that was paid; its natural key counts it once."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    order_id = fields.CharField(max_length=32)

    class Meta:
        table = "toy_orders"
        unique_together = (("shop", "order_id"),)
