"""What points keeps to give bonuses: copies of campaigns, what they gave, who belonged where."""

from tortoise import fields

from app.tables import Model


class CampaignCopy(Model):
    """A version of a campaign as it was told to points, or, where no campaign is named, of how
    campaigns stack; never changed, as awards name it.
    """

    id = fields.BigIntField(primary_key=True)  # grows with each copy of a shop
    shop = fields.CharField(max_length=255)
    campaign_id = fields.CharField(max_length=64)
    version = fields.IntField()
    told = fields.TextField()  # JSON: own_facts.Campaign, or own_facts.Stacking
    at = fields.DatetimeField()  # in force from then on
    ends_at = fields.DatetimeField(null=True)
    learned_at = fields.DatetimeField(auto_now_add=True)
    # when to look for orders that it should have given a bonus; null when that is done
    look_at = fields.DatetimeField(null=True)
    looks = fields.IntField(default=0)
    looked_to = fields.BigIntField(default=0)  # how far in the shop's ledger

    class Meta:
        # and a partial index, made by the migration: those with look_at
        table = "campaign_copies"
        unique_together = (("shop", "campaign_id", "version"),)
        indexes = (("shop", "id"),)


class CampaignPurse(Model):
    """What a campaign with a budget gave, less what was taken back: the budget is kept by this."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    campaign_id = fields.CharField(max_length=64)
    points = fields.BigIntField()

    class Meta:
        table = "campaign_purses"
        unique_together = (("shop", "campaign_id"),)


class CampaignUse(Model):
    """What a member got from a campaign with a cap, and spent for its goal."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    campaign_id = fields.CharField(max_length=64)
    member_id = fields.BigIntField()
    points = fields.BigIntField()
    spent = fields.BigIntField()  # millionths

    class Meta:
        table = "campaign_uses"
        unique_together = (("shop", "campaign_id", "member_id"),)


class Membership(Model):
    """That a customer came into a segment, or was given a tag, at a moment; or left it."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    customer_id = fields.CharField(max_length=32)
    kind = fields.CharField(max_length=8)  # segment | tag
    name = fields.CharField(max_length=255)
    at = fields.DatetimeField()
    is_in = fields.BooleanField()

    class Meta:
        table = "memberships"
        unique_together = (("shop", "customer_id", "kind", "name", "at"),)


class Collection(Model):
    """A collection that rules name, as it was fetched last."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    collection_id = fields.CharField(max_length=32)
    title = fields.CharField(max_length=255, default="")
    fetched_at = fields.DatetimeField(null=True)
    due_at = fields.DatetimeField(null=True)  # null: nobody names it any more
    problem = fields.TextField(default="")  # why it could not be fetched last, for people

    class Meta:
        table = "collections"
        unique_together = (("shop", "collection_id"),)


class CollectionProduct(Model):
    """That a product is in a collection."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    collection_id = fields.CharField(max_length=32)
    product_id = fields.CharField(max_length=32)

    class Meta:
        table = "collection_products"
        unique_together = (("shop", "collection_id", "product_id"),)


class WhatIf(Model):
    """What the orders of the last days would have earned under a campaign."""

    id = fields.UUIDField(primary_key=True)
    shop = fields.CharField(max_length=255)
    asked = fields.TextField()  # JSON: the campaign, and how it stacks
    state = fields.CharField(max_length=8)  # waiting | running | done | failed
    since = fields.DatetimeField()
    place = fields.BigIntField(default=0)  # how far in the shop's ledger
    until = fields.BigIntField(default=0)  # where it ends there
    total = fields.IntField(default=0)  # orders to look at, as far as known
    done = fields.IntField(default=0)
    found = fields.TextField(default="")  # JSON: what was found so far, as pages show it
    working = fields.TextField(db_default="")  # JSON: what the rest depends on; empty at the end
    problem = fields.TextField(default="")
    seen_at = fields.DatetimeField()  # when somebody worked at it last
    created_at = fields.DatetimeField(auto_now_add=True)
    ended_at = fields.DatetimeField(null=True)

    class Meta:
        # and two partial indexes, made by the migration: those that have not ended, one a shop
        table = "what_ifs"
        indexes = (("shop", "created_at"),)
