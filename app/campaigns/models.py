"""The tables of the campaigns service: every version of every campaign, and what each gave."""

from tortoise import fields

from app.tables import Model


class Campaign(Model):
    """A campaign as it is now; `definition` is `own_facts.Campaign` as JSON."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    campaign_id = fields.CharField(max_length=36)
    version = fields.IntField()
    sort_name = fields.CharField(max_length=100)  # as it is searched for
    state = fields.CharField(max_length=8)  # draft | live | paused | ended
    starts_at = fields.DatetimeField()
    ends_at = fields.DatetimeField(null=True)
    definition = fields.TextField()
    # JSON: what the tiers it names were called when it was saved, by their ids
    labels = fields.TextField(default="{}")
    idempotency_key = fields.CharField(max_length=128, null=True)  # of the form that made it
    request_hash = fields.CharField(max_length=64, default="")
    edited_by = fields.CharField(max_length=64)
    created_at = fields.DatetimeField(auto_now_add=True)
    updated_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "campaigns"
        unique_together = (("shop", "campaign_id"), ("shop", "idempotency_key"))
        indexes = (("shop", "id"),)  # a shop's, the newest first


class CampaignVersion(Model):
    """A campaign as it was from a moment on; never changed."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    campaign_id = fields.CharField(max_length=36)
    version = fields.IntField()
    definition = fields.TextField()
    labels = fields.TextField(default="{}")
    edited_by = fields.CharField(max_length=64)
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "campaign_versions"
        unique_together = (("shop", "campaign_id", "version"),)


class CampaignStacking(Model):
    """How the multipliers of a shop go together, from a moment on; never changed."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    version = fields.IntField()
    policy = fields.CharField(max_length=8)  # best_of | add | multiply
    cap = fields.CharField(max_length=16, default="")
    edited_by = fields.CharField(max_length=64)
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "campaign_stackings"
        unique_together = (("shop", "version"),)


class CampaignResult(Model):
    """Points a campaign gave, or below 0 that went back, by the fact that told it."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    event_id = fields.CharField(max_length=36)
    campaign_id = fields.CharField(max_length=36)
    version = fields.IntField()
    source = fields.CharField(max_length=160)  # order:123
    customer_id = fields.CharField(max_length=32)
    points = fields.BigIntField()
    at = fields.DatetimeField()

    class Meta:
        table = "campaign_results"
        unique_together = (("shop", "event_id", "campaign_id", "version"),)
        # who and what had something of it before
        indexes = (("shop", "campaign_id", "customer_id"), ("shop", "campaign_id", "source"))


class CampaignQuarter(Model):
    """What a campaign gave in a quarter of an hour: every time zone's days are made of those."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    campaign_id = fields.CharField(max_length=36)
    began_at = fields.DatetimeField()
    given = fields.BigIntField(default=0)
    taken_back = fields.BigIntField(default=0)

    class Meta:
        table = "campaign_quarters"
        unique_together = (("shop", "campaign_id", "began_at"),)


class CampaignSum(Model):
    """The sums of a campaign's results."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    campaign_id = fields.CharField(max_length=36)
    given = fields.BigIntField(default=0)
    taken_back = fields.BigIntField(default=0)
    orders = fields.BigIntField(default=0)  # or birthdays, accounts: what had something of it
    customers = fields.BigIntField(default=0)
    as_of = fields.DatetimeField()  # of the newest result

    class Meta:
        table = "campaign_sums"
        unique_together = (("shop", "campaign_id"),)
