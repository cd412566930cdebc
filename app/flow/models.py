"""The tables of the road that models can say: spilled webhooks and dead letters.

Receipts, facts and places are partitioned or without an id, so the migrations alone make them.
"""

from tortoise import fields

from app.tables import Model


class SpilledWebhook(Model):
    """A webhook accepted while Redis was away or its lane was full, to be put into its lane
    later.
    """

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    webhook_id = fields.CharField(max_length=128)
    item = fields.BinaryField()  # exactly what the lane would hold
    spilled_at = fields.DatetimeField(auto_now_add=True)
    moved_at = fields.DatetimeField(null=True)  # into its lane, which may forget it yet

    class Meta:
        table = "spilled_webhooks"
        unique_together = (("shop", "webhook_id"),)


class RedisEpoch(Model):
    """What Redis must know to be the Redis we knew: one row, moved forward every second."""

    id = fields.BigIntField(primary_key=True)
    era = fields.CharField(max_length=16)  # a random name of this memory of Redis
    beat = fields.BigIntField()  # milliseconds since 1970 by the database's clock, only forward
    oldest_at = fields.DatetimeField(null=True)  # when the oldest webhook waiting was received
    seen_at = fields.DatetimeField()  # the last look that reached both stores
    cluster = fields.CharField(max_length=64, null=True)  # Postgres' own name, and its timeline

    class Meta:
        table = "redis_epochs"


class RedisLoss(Model):
    """A time Redis lost webhooks that were waiting, or Postgres what was made of them; what came
    since `lost_from` is to be compared with Shopify.
    """

    id = fields.BigIntField(primary_key=True)
    kind = fields.CharField(max_length=16)  # lost | went_back | database
    lost_from = fields.DatetimeField()
    noticed_at = fields.DatetimeField(auto_now_add=True)
    reconciled_at = fields.DatetimeField(null=True)

    class Meta:
        table = "redis_losses"


class DeadLetter(Model):
    """An event or webhook that could not be handled: waiting for its next try, dead, or
    replayed.
    """

    id = fields.BigIntField(primary_key=True)
    service = fields.CharField(max_length=32)  # who failed to handle it; `ingest` for webhooks
    shop = fields.CharField(max_length=255)
    topic = fields.CharField(max_length=64)
    reference = fields.CharField(max_length=128)  # event id, or webhook id for `ingest`
    payload = fields.BinaryField()  # the encoded event, or the lane item for `ingest`
    state = fields.CharField(max_length=16)  # waiting | dead | done | discarded
    reason = fields.TextField()
    attempts = fields.IntField(default=1)
    history: list[dict[str, str]] = fields.JSONField(
        default=list
    )  # [{"at": iso time, "reason": text}]
    next_attempt_at = fields.DatetimeField(null=True)
    proof = fields.TextField(
        default=""
    )  # of an event whose signature was bad: "id timestamp signature"
    note = fields.TextField(null=True)  # why somebody dismissed it
    dismissed_by = fields.CharField(max_length=128, null=True)
    dismissed_at = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField(auto_now_add=True)
    updated_at = fields.DatetimeField(auto_now=True)

    class Meta:
        table = "dead_letters"
        unique_together = (("service", "shop", "reference"),)
