"""The tables of points; the ledger is append-only, all else can be computed from it again."""

from typing import Any

from tortoise import fields
from tortoise.contrib.postgres.fields import ArrayField

from app.tables import Model

MADE_BY_MIGRATIONS = ("audit_heads", "total_deltas")  # tables of ours that models cannot say


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
    merged_into = fields.BigIntField(null=True)  # the member who has the points since
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


class Grant(Model):
    """What gave points, and may take them back: it follows what it is for, such as an order."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    kind = fields.CharField(max_length=16)  # order
    source = fields.CharField(max_length=64)  # order:123
    name = fields.CharField(max_length=64, default="")
    member_id = fields.BigIntField(null=True)  # null while it gives to nobody
    # earned | zero | guest | test | unpaid | waiting | draft | paused
    outcome = fields.CharField(max_length=16)
    rule_version = fields.IntField()
    # JSON as text: Python alone reads it, and Postgres need not parse it
    frozen = fields.TextField()  # rules.Frozen; empty while only refunds of it are known
    known = fields.TextField()  # rules.Known
    points = fields.BigIntField()  # given in all
    reversed_points = fields.BigIntField()  # asked back in all, also where a policy forgave it
    forgiven = fields.BigIntField()  # of those, what a policy left with the shopper
    unmet = fields.BigIntField()  # of those, what is taken when they come back from a reward
    lapsed = fields.BigIntField()  # expired, and not yet set off against what was asked back
    revision = fields.IntField()  # movements after the first one
    bonuses = fields.TextField(db_default="")  # JSON: what each bonus gave, rules.Given
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        # and partial indexes, made by the migrations: by id, of orders that earned nothing; by
        # member, of what is no order
        table = "grants"
        unique_together = (("shop", "source"),)


class Correction(Model):
    """An order whose points were corrected, because what was made of its webhooks was wrong."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    order_id = fields.CharField(max_length=32)
    order_name = fields.CharField(max_length=64)
    customer_id = fields.CharField(max_length=32)
    before = fields.BigIntField()  # points of the order, what was taken back taken off
    after = fields.BigIntField()
    reason = fields.TextField()  # as whoever corrected it said
    made_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "corrections"
        indexes = (("shop", "id"),)  # a shop's, the newest first


class ProgramVersion(Model):
    """The rules of a shop's programme from a moment on; every edit is a new version, grants name
    the one they used.
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
    returns = fields.CharField(max_length=8, db_default="goods")  # goods | money
    timezone = fields.CharField(max_length=64, default="UTC")
    currency = fields.CharField(max_length=3, default="USD")
    shop_said_at = fields.DatetimeField(null=True)  # when the shop said these two of itself
    state = fields.CharField(max_length=8, db_default="live")  # draft | live | paused
    order_terms = fields.TextField(db_default="")  # JSON: rules.OrderTerms
    edited_by = fields.CharField(max_length=64, default="")
    created_at = fields.DatetimeField(auto_now_add=True)  # in force from then on

    class Meta:
        table = "program_versions"
        unique_together = (("shop", "version"),)


class BulkAdjustment(Model):
    """One change of points for many customers: who they are is written down first, then each of
    them gets it once.
    """

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    key = fields.CharField(max_length=128)
    points = fields.BigIntField()
    reason = fields.TextField()
    filters = fields.TextField()  # JSON: whom it is for
    asked_by = fields.CharField(max_length=64)  # the id of staff
    state = fields.CharField(max_length=16)  # choosing | changing | done | too_many
    walked_at = fields.DatetimeField(null=True)  # how far the members were looked through
    walked_id = fields.BigIntField(default=0)
    member_ids: Any = ArrayField("bigint")
    total = fields.IntField(default=0)
    place = fields.IntField(default=0)  # how many of them have had their turn
    done = fields.IntField(default=0)  # and how many got it; the others could not
    created_at = fields.DatetimeField(auto_now_add=True)
    ended_at = fields.DatetimeField(null=True)

    class Meta:
        table = "bulk_adjustments"
        # and a partial index, made by the migration: those that have not ended
        unique_together = (("shop", "key"),)


class Reward(Model):
    """What points buy."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    title = fields.CharField(max_length=120)
    cost = fields.BigIntField()
    kind = fields.CharField(max_length=16, db_default="amount_off")
    amount_off = fields.DecimalField(max_digits=12, decimal_places=2)
    details = fields.TextField(db_default="{}")  # JSON: rewards.rules.Details
    is_active = fields.BooleanField(default=True)
    version = fields.IntField(default=1)  # grows with every change
    idempotency_key = fields.CharField(max_length=128, null=True)  # of the form that made it
    updated_at = fields.DatetimeField(auto_now=True)

    class Meta:
        # and a partial unique index, made by the migration: shop and idempotency_key
        table = "rewards"
        indexes = (("shop", "cost"),)


class Redemption(Model):
    """A saga: points held, what they buy made at Shopify, then captured or released."""

    id = fields.UUIDField(primary_key=True)
    shop = fields.CharField(max_length=255)
    member_id = fields.BigIntField()
    customer_id = fields.CharField(max_length=32)
    reward_id = fields.BigIntField()
    title = fields.CharField(max_length=120)
    kind = fields.CharField(max_length=16, db_default="amount_off")
    points = fields.BigIntField()  # 0: given without cost
    returned_points = fields.BigIntField(db_default=0)  # of a used one, with its order
    amount_off = fields.DecimalField(max_digits=12, decimal_places=2)
    details = fields.TextField(db_default="{}")  # JSON: of the reward, as it was redeemed
    ends_at = fields.DatetimeField(null=True)  # what was made can be used before it
    idempotency_key = fields.CharField(max_length=128)
    request_hash = fields.CharField(max_length=64)
    code = fields.CharField(max_length=32)
    discount_gid = fields.CharField(max_length=128, default="")
    state = fields.CharField(max_length=16)  # held | captured | used | released
    reason = fields.TextField(default="")  # a plain sentence when released or returned
    order_id = fields.CharField(max_length=32, db_default="")  # that used it
    taking_back_at = fields.DatetimeField(null=True)  # first asked to take it back
    taking_back_after = fields.CharField(max_length=128, db_default="")  # what was there then
    taken_gid = fields.CharField(max_length=128, db_default="")  # the debit that took it back
    allocations = fields.TextField()  # JSON: [[lot id, points]] of the hold, put back at a release
    attempts = fields.IntField(default=0)
    tries_sent = fields.IntField(default=0)  # creates that may have reached Shopify
    next_attempt_at = fields.DatetimeField(null=True)  # null when nothing is left to do
    give_up_at = fields.DatetimeField()
    request_id = fields.CharField(max_length=128, default="")
    created_at = fields.DatetimeField(auto_now_add=True)
    updated_at = fields.DatetimeField(auto_now=True)

    class Meta:
        # and partial indexes, made by the migrations: shop and order_id; shop and taken_gid
        table = "redemptions"
        unique_together = (("shop", "customer_id", "idempotency_key"),)
        indexes = (("state", "next_attempt_at"), ("member_id", "created_at"))
