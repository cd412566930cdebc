"""The tables of tiers: settings version by version, what counts towards a tier, and who is in
which one since when.
"""

from tortoise import fields

from app.tables import Model


class TierVersion(Model):
    """A shop's tiers from a moment on; every edit is a new version."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    version = fields.IntField()
    scheme = fields.TextField()  # JSON: tiers.rules.Scheme
    edited_by = fields.CharField(max_length=64)
    created_at = fields.DatetimeField(auto_now_add=True)  # in force from then on

    class Meta:
        table = "tier_versions"
        unique_together = (("shop", "version"),)


class TierShop(Model):
    """What a shop's tiers are now, and how far placing everybody by them has come."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255, unique=True)
    version = fields.IntField()
    is_on = fields.BooleanField()  # it has tiers: what its members buy is counted
    timezone = fields.CharField(max_length=64)  # by whose days
    counts_from_days = fields.IntField(null=True)  # older than this nothing matters; null: all does
    stage = fields.CharField(max_length=16)  # counting | placing | done
    since_tx = fields.BigIntField()  # begun once all transactions up to this one are over
    place = fields.TextField()  # how far the stage has come: a source, or a member's id
    done = fields.IntField()
    total = fields.IntField()  # about
    asked_at = fields.DatetimeField()
    ended_at = fields.DatetimeField(null=True)
    figures = fields.TextField()  # JSON: tiers.figures.Figures; empty for a shop that is small
    figures_at = fields.DatetimeField(null=True)

    class Meta:
        table = "tier_shops"


class Qualifying(Model):
    """What a grant counts for, in each measure, net of what came back of it; only for shops that
    have tiers. Always what the grant itself says.
    """

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    member_id = fields.BigIntField()
    source = fields.CharField(max_length=64)  # of the grant
    at = fields.DatetimeField()  # when the order was placed
    points = fields.BigIntField()
    spend = fields.BigIntField()  # millionths of the shop's currency
    orders = fields.IntField()  # 1, or 0 where nothing is left of it

    class Meta:
        table = "qualifying"
        unique_together = (("shop", "member_id", "source"),)


class TierStanding(Model):
    """Where a member stands who has anything that counts; everybody else is in the tier that asks
    for nothing, where there is one.
    """

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    member_id = fields.BigIntField()
    tier_id = fields.CharField(max_length=16)  # empty for none
    version = fields.IntField()  # by which they were placed
    have = fields.BigIntField()  # of the measure, in the period that is
    peak = fields.BigIntField()  # of the measure, what decides: old but kept by the policy
    changed_at = fields.DatetimeField()  # in this tier since; when they were first placed
    due_at = fields.DatetimeField(null=True)  # when time alone changes something
    # all that counts of the measure, the first day it did and the moment of the last; null where
    # it is to be added up: of rows of earlier releases, and of who could not be placed
    total = fields.BigIntField(null=True)
    first_on = fields.DateField(null=True)
    last_at = fields.DatetimeField(null=True)

    class Meta:
        # and a partial index, made by the migration: due_at
        table = "tier_standings"
        unique_together = (("shop", "member_id"),)


class TierChange(Model):
    """A member came into a tier: only ever appended."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    member_id = fields.BigIntField()
    at = fields.DatetimeField()  # in it since; what is to come begins where the next one does
    before_id = fields.CharField(max_length=16)
    tier_id = fields.CharField(max_length=16)  # empty for none
    tier = fields.CharField(max_length=64)  # its name then
    version = fields.IntField()
    cause = fields.CharField(max_length=16)  # order | refund | time | settings | merge | repair
    why = fields.TextField()  # a plain sentence
    recorded_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "tier_changes"
        indexes = (("member_id", "at", "id"),)
