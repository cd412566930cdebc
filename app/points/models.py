"""The tables of the points service; the ledger is append-only, everything else can be
recomputed from it.
"""

from typing import Any

from tortoise import fields
from tortoise.contrib.postgres.fields import ArrayField
from tortoise.models import Model


class Member(Model):
    """A customer of a shop with the balance of every bucket, always the fold of the ledger; names
    are core's.
    """

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    customer_id = fields.CharField(max_length=32)
    pending = fields.BigIntField(default=0)
    available = fields.BigIntField(default=0)
    held = fields.BigIntField(default=0)
    spent = fields.BigIntField(default=0)
    expired = fields.BigIntField(default=0)
    reversed = fields.BigIntField(default=0)
    debt = fields.BigIntField(default=0)  # what is owed, as a positive number
    issued = fields.BigIntField(default=0)
    sequence = fields.BigIntField(default=0)  # of the newest ledger row
    last_hash = fields.BinaryField(null=True)  # of the newest ledger row
    frozen_at = fields.DatetimeField(null=True)  # points that do not add up do not move
    frozen_reason = fields.TextField(default="")
    joined_at = fields.DatetimeField(auto_now_add=True)
    updated_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "members"
        # no index over a balance or updated_at: every posting changes them, and would have to move
        # in all indexes
        unique_together = (("shop", "customer_id"),)
        indexes = (("shop", "joined_at", "id"),)  # a shop's members, the newest first


class LedgerRow(Model):
    """One movement of points between two buckets of one member; never changed, never deleted."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    member_id = fields.BigIntField()
    sequence = fields.BigIntField()  # 1, 2, 3 ... within the member
    source = fields.CharField(
        max_length=160
    )  # order:123, refund:987, redemption:<id>, lot:7, adjustment:<key>
    effect = fields.CharField(max_length=32)  # earn, release, reverse.available, hold, capture, ...
    from_bucket = fields.CharField(max_length=12)
    to_bucket = fields.CharField(max_length=12)
    points = fields.BigIntField()
    why = (
        fields.TextField()
    )  # JSON: what the figure was computed from; text, because the hash covers its exact bytes
    effective_at = fields.DatetimeField()  # when it happened in the shop
    recorded_at = fields.DatetimeField()  # when we wrote it
    hash = fields.BinaryField()  # sha256 over the previous row's hash and this row

    class Meta:
        table = "ledger"
        unique_together = (("shop", "source", "effect"), ("member_id", "sequence"))
        indexes = (("shop", "id"),)  # the newest rows of a shop


class PeriodTotal(Model):
    """What a shop's members earned and spent in a quarter of an hour."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    starts_at = fields.DatetimeField()
    earned = fields.BigIntField()
    spent = fields.BigIntField()

    class Meta:
        table = "period_totals"
        unique_together = (("shop", "starts_at"),)


class ShopTotal(Model):
    """How many members a shop has, and their points outstanding."""

    shop = fields.CharField(primary_key=True, max_length=255)
    members = fields.BigIntField()
    outstanding = fields.BigIntField()

    class Meta:
        table = "shop_totals"


class TopMembers(Model):
    """Those with the most points in a shop with many members, as of a moment."""

    shop = fields.CharField(primary_key=True, max_length=255)
    member_ids: Any = ArrayField("bigint")  # the one with the most points first
    as_of = fields.DatetimeField()

    class Meta:
        table = "top_members"


class Lot(Model):
    """Earned points with their expiry; spending takes the earliest expiry first."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    member_id = fields.BigIntField()
    source = fields.CharField(max_length=160)  # of the ledger row that made it
    granted = fields.BigIntField()
    remaining = fields.BigIntField()
    available_at = fields.DatetimeField()
    is_pending = fields.BooleanField(default=False)
    expires_at = fields.DatetimeField(null=True)
    due_at = fields.DatetimeField(
        null=True
    )  # when to release or expire it; null when nothing is left to do
    lapses = fields.IntField(
        default=0
    )  # how often it expired: a cancelled spend can put points back afterwards
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        # partial indexes, made by the migration: by member, of what has points left; by due_at, of
        # what is held back and of what expires
        table = "lots"


class Award(Model):
    """What an order earned, frozen with everything it was computed from; refunds reverse this
    record.
    """

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    order_id = fields.CharField(max_length=32)
    order_name = fields.CharField(max_length=64, default="")
    member_id = fields.BigIntField(null=True)  # null for guests
    outcome = fields.CharField(max_length=16)  # earned | guest | test | zero
    rule_version = fields.IntField()
    # JSON as text: Python alone reads it, and Postgres need not parse it
    frozen = fields.TextField()  # rate, rounding, currency, base and points of every line
    points = fields.BigIntField()
    reversed_points = fields.BigIntField(
        default=0
    )  # what refunds asked back so far, also where a policy forgave it
    progress = fields.TextField(
        default="{}"
    )  # refunded quantity a line, refunded amount, cancelled
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "awards"
        unique_together = (("shop", "order_id"),)


class Reversal(Model):
    """A refund or cancellation as it came; it waits here when its order has not been seen yet."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    order_id = fields.CharField(max_length=32)
    source = fields.CharField(max_length=64)  # refund:987 or cancel:123
    data = fields.TextField()  # JSON
    is_applied = fields.BooleanField(default=False)
    points = fields.BigIntField(default=0)  # of the award it asked back when it was applied
    forgiven = fields.BigIntField(
        default=0
    )  # of those, what the clawback policy left with the shopper
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "reversals"
        unique_together = (("shop", "source"),)
        # and a partial index, made by the migration: those that wait, by their order


class ProgramVersion(Model):
    """The rules of a shop's programme; every edit is a new version, awards name the one they
    used.
    """

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    version = fields.IntField()
    rate = fields.DecimalField(
        max_digits=12, decimal_places=4
    )  # points a whole unit of shop currency
    rounding = fields.CharField(max_length=8)  # down | nearest | up
    pending_days = fields.IntField()
    expiry_days = fields.IntField(null=True)  # null: points never expire
    clawback = fields.CharField(max_length=16)  # pending_only | within_balance | debt
    timezone = fields.CharField(max_length=64, default="UTC")
    currency = fields.CharField(max_length=3, default="USD")
    edited_by = fields.CharField(max_length=64, default="")
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "program_versions"
        unique_together = (("shop", "version"),)


class Reward(Model):
    """What points buy: an amount off the next order."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    title = fields.CharField(max_length=120)
    cost = fields.BigIntField()
    amount_off = fields.DecimalField(max_digits=12, decimal_places=2)
    is_active = fields.BooleanField(default=True)
    version = fields.IntField(default=1)  # grows with every change
    idempotency_key = fields.CharField(max_length=128, null=True)  # of the form that made it
    updated_at = fields.DatetimeField(auto_now=True)

    class Meta:
        # and a partial unique index, made by the migration: shop and idempotency_key
        table = "rewards"
        indexes = (("shop", "cost"),)


class Redemption(Model):
    """A saga: points held, a discount code made at Shopify, then captured or released."""

    id = fields.UUIDField(primary_key=True)
    shop = fields.CharField(max_length=255)
    member_id = fields.BigIntField()
    customer_id = fields.CharField(max_length=32)
    reward_id = fields.BigIntField()
    title = fields.CharField(max_length=120)
    points = fields.BigIntField()
    amount_off = fields.DecimalField(max_digits=12, decimal_places=2)
    idempotency_key = fields.CharField(max_length=128)
    request_hash = fields.CharField(max_length=64)
    code = fields.CharField(max_length=32)
    discount_gid = fields.CharField(max_length=64, default="")
    state = fields.CharField(max_length=16)  # held | captured | used | released
    reason = fields.TextField(default="")  # a plain sentence when released
    allocations = (
        fields.TextField()
    )  # JSON: [[lot id, points]] taken at the hold, put back at a release
    attempts = fields.IntField(default=0)
    tries_sent = fields.IntField(default=0)  # creates that may have reached Shopify
    next_attempt_at = fields.DatetimeField(null=True)  # null when nothing is left to do
    give_up_at = fields.DatetimeField()
    request_id = fields.CharField(max_length=128, default="")
    created_at = fields.DatetimeField(auto_now_add=True)
    updated_at = fields.DatetimeField(auto_now=True)

    class Meta:
        table = "redemptions"
        unique_together = (("shop", "customer_id", "idempotency_key"),)
        indexes = (("state", "next_attempt_at"), ("member_id", "created_at"))
