"""The tables of what gives points besides orders, and of the steps of sagas."""

from tortoise import fields

from app.tables import Model


class Way(Model):
    """A way to earn besides orders as it stands; every change of it is a version, too."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    kind = fields.CharField(max_length=16)  # account | newsletter | birthday | follow | action
    # what tells two of a kind apart: the link of a network, the name an action is called by
    handle = fields.CharField(max_length=120, default="")
    title = fields.CharField(max_length=120)
    points = fields.BigIntField()
    per = fields.CharField(max_length=8, default="once")  # once | day | week | month | year
    times = fields.IntField(default=1)  # how often in it
    url = fields.CharField(max_length=500, default="")
    is_active = fields.BooleanField(default=True)
    version = fields.IntField(default=1)
    idempotency_key = fields.CharField(max_length=128, null=True)  # of the form that made it
    given = fields.BigIntField(default=0)  # how often it gave
    given_points = fields.BigIntField(default=0)
    # of birthdays: when the next day begins, the last whole day, and how far the day is done
    walk_at = fields.DatetimeField(null=True)
    walked_on = fields.DateField(null=True)
    walked_id = fields.CharField(max_length=32, default="")
    updated_at = fields.DatetimeField(auto_now=True)

    class Meta:
        # and partial indexes, made by the migration: the keys of forms, birthdays by walk_at
        table = "ways"
        unique_together = (("shop", "kind", "handle"),)


class WayVersion(Model):
    """A way as it is from a moment on: what happened before that moment earns by the one before."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    way_id = fields.BigIntField()
    version = fields.IntField()
    title = fields.CharField(max_length=120)
    points = fields.BigIntField()
    per = fields.CharField(max_length=8)
    times = fields.IntField()
    is_active = fields.BooleanField()
    edited_by = fields.CharField(max_length=64)
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "way_versions"
        unique_together = (("shop", "way_id", "version"),)


class WayCall(Model):
    """An action that a shop's server or Flow told of, by its idempotency key, with what was
    answered.
    """

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    key = fields.CharField(max_length=140)
    request_hash = fields.CharField(max_length=64)
    answer = fields.TextField()  # JSON
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "way_calls"
        unique_together = (("shop", "key"),)


class Birthday(Model):
    """The day a customer has a birthday, without its year: nobody needs that."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    customer_id = fields.CharField(max_length=32)
    month_day = fields.CharField(max_length=5)  # 02-29
    given_on = fields.DateField(null=True)  # the last day it gave points
    owed_on = fields.DateField(null=True)  # the day nothing could be given on: points on hold
    edited_at = fields.DatetimeField(null=True)  # when it was changed; null: never
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        # and a partial index, made by the migration: those that are owed
        table = "birthdays"
        unique_together = (("shop", "customer_id"),)
        indexes = (("shop", "month_day", "customer_id"),)


class ApiKey(Model):
    """The key a shop's own server proves itself by: only what tells whether one is right."""

    shop = fields.CharField(primary_key=True, max_length=255)
    secret_hash = fields.BinaryField()  # SHA-256
    hint = fields.CharField(max_length=8)  # its last letters
    made_by = fields.CharField(max_length=64)
    made_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "api_keys"


class SagaStep(Model):
    """A step of something that happens in several transactions, as far as it has come."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    saga = fields.CharField(max_length=16)  # welcome | redemption
    subject = fields.CharField(max_length=64)  # what it is about: a customer, a redemption
    customer_id = fields.CharField(max_length=32)
    step = fields.CharField(max_length=16)
    state = fields.CharField(max_length=8)  # done | waiting | failed | undone
    words = fields.TextField()  # a plain sentence
    at = fields.DatetimeField()
    due_at = fields.DatetimeField(null=True)  # of one that waits
    tries = fields.IntField(default=0)

    class Meta:
        # and a partial index, made by the migration: those that wait, by due_at
        table = "saga_steps"
        unique_together = (("shop", "saga", "subject", "step"),)
        indexes = (("shop", "customer_id"),)
