"""The tables of referrals."""

from typing import Any

from tortoise import fields

from app.tables import Model


class ReferralSettings(Model):
    """What a shop offers, a row a version; the newest is in force."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    version = fields.IntField()
    is_on = fields.BooleanField()
    friend_kind = fields.CharField(max_length=8)  # percent | amount
    friend_value = fields.DecimalField(max_digits=12, decimal_places=2)
    friend_minimum = fields.DecimalField(max_digits=12, decimal_places=2)  # of goods, to use it
    code_days = fields.IntField()
    order_minimum = fields.DecimalField(max_digits=12, decimal_places=2)  # net, to count
    order_number = fields.IntField(db_default=1)  # 2: the friend's second order is what is rewarded
    advocate_kind = fields.CharField(max_length=8)  # points | reward
    advocate_points = fields.IntField()
    advocate_reward_id = fields.CharField(max_length=32)
    advocate_text = fields.CharField(max_length=120)  # what that reward is called
    hold_days = fields.IntField()
    window_days = fields.IntField()  # so long a refund takes back what was given
    day_max = fields.IntField()  # referrals of an advocate that are rewarded
    month_max = fields.IntField()
    all_max = fields.IntField()
    edited_by = fields.CharField(max_length=128)
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "referral_settings"
        unique_together = (("shop", "version"),)


class ReferralKey(Model):
    """The secret of a shop, sealed by the house: codes of links and digests are made with it."""

    shop = fields.CharField(primary_key=True, max_length=255)
    sealed = fields.BinaryField()
    redact_at = fields.DatetimeField(null=True)  # the shop is to be forgotten, from then on

    class Meta:
        table = "referral_keys"


class ReferralLink(Model):
    """The link of a member; `customer_id` is whom its code was made for, `advocate_id` whose it is
    since customers were merged.
    """

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    customer_id = fields.CharField(max_length=32)
    advocate_id = fields.CharField(max_length=32)
    code = fields.CharField(max_length=16, null=True)  # null until it is made
    status = fields.CharField(max_length=8)  # queued | ready | closed
    asked_at = fields.DatetimeField()
    made_at = fields.DatetimeField(null=True)

    class Meta:
        table = "referral_links"
        unique_together = (("shop", "customer_id"), ("shop", "code"))
        indexes = (("shop", "advocate_id"), ("shop", "made_at"), ("status", "asked_at"))


class ReferralVisit(Model):
    """How often a link was followed on a day (UTC)."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    link_id = fields.BigIntField()
    day = fields.DateField()
    visits = fields.IntField()

    class Meta:
        # and an index by day, made by a migration
        table = "referral_visits"
        unique_together = (("shop", "link_id", "day"),)


class Referral(Model):
    """A friend's claim of an offer, and what came of it.

    `state` is how far it came, `verdict` what the rules or staff say of it: it is paid only when
    allowed. What it promises is frozen with it.
    """

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    link_id = fields.BigIntField()
    advocate_id = fields.CharField(max_length=32)
    friend_email = fields.CharField(max_length=320)  # as typed; empty once redacted
    friend_key = fields.CharField(max_length=64)  # digest of the address as it counts
    friend_id = fields.CharField(max_length=32)  # the customer they are, as far as it is known
    state = fields.CharField(max_length=12)  # claimed | ordered | completed | reversed | lapsed
    verdict = fields.CharField(max_length=8)  # allow | hold | block
    score = fields.IntField()
    reasons: Any = fields.JSONField()  # [{rule, weight, words, stage}]
    decided_by = fields.CharField(max_length=128)  # staff; empty: the rules
    known: Any = fields.JSONField()  # what was known when it was checked, beside the reasons
    offer: Any = fields.JSONField()  # of the settings in force when it was claimed
    code = fields.CharField(max_length=32, null=True)
    code_state = fields.CharField(max_length=8)  # none | making | made | refused | ending | off
    code_round = fields.IntField()  # a code that was switched off is followed by another one
    code_reason = fields.TextField()
    discount_gid = fields.CharField(max_length=64)
    attempts = fields.IntField()
    next_attempt_at = fields.DatetimeField(null=True)
    order_id = fields.CharField(max_length=32)
    order_name = fields.CharField(max_length=64)
    order_net = fields.DecimalField(max_digits=18, decimal_places=6, null=True)
    ordered_at = fields.DatetimeField(null=True)
    due_at = fields.DatetimeField(null=True)  # when it is rewarded, or looked at again
    completed_at = fields.DatetimeField(null=True)
    rounds = fields.IntField()  # how often it was rewarded: each time but the first after staff
    request_id = fields.CharField(max_length=128)
    claimed_at = fields.DatetimeField()
    updated_at = fields.DatetimeField()

    class Meta:
        # and indexes made by migrations: partial unique ones, for one living claim a friend, one
        # referral an order and a code; and those of lists and searches
        table = "referrals"
        indexes = (
            ("shop", "claimed_at"),
            ("shop", "advocate_id", "claimed_at"),
            ("shop", "link_id", "claimed_at"),
        )


class ReferralEvent(Model):
    """What happened to a referral, in order; never changed."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    referral_id = fields.BigIntField()
    kind = fields.CharField(max_length=16)
    by = fields.CharField(max_length=128)  # staff; empty: Holdfast
    words = fields.TextField()
    at = fields.DatetimeField()

    class Meta:
        table = "referral_events"
        indexes = (("shop", "referral_id"),)


class ReferralMark(Model):
    """A digest of where somebody came from, and whose it was; forgotten after 90 days."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    kind = fields.CharField(max_length=8)  # ip | agent | device | address
    digest = fields.CharField(max_length=64)
    subject = fields.CharField(max_length=64)  # customer:7001 | referral:12
    seen_at = fields.DatetimeField()

    class Meta:
        table = "referral_marks"
        unique_together = (("shop", "kind", "digest", "subject"),)
        indexes = (("seen_at",), ("shop", "subject"))


class ReferralPerson(Model):
    """A customer, or the address of a guest, that the shop has known since a moment."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    person = fields.CharField(max_length=80)  # customer:7001 | guest:<digest>
    email_key = fields.CharField(max_length=64)
    known_at = fields.DatetimeField()
    first_order_at = fields.DatetimeField(null=True)
    merged_into = fields.CharField(max_length=80, null=True)

    class Meta:
        table = "referral_people"
        unique_together = (("shop", "person"),)
        indexes = (("shop", "email_key"),)


class ReferralOrder(Model):
    """An order that a referral is about, or that came back before it was known to be one."""

    id = fields.BigIntField(primary_key=True)
    shop = fields.CharField(max_length=255)
    order_id = fields.CharField(max_length=32)
    referral_id = fields.BigIntField(null=True)
    told: Any = fields.JSONField(null=True)  # as `orders.rules.Told` has it
    refunds: Any = fields.JSONField()  # by refund: {lines: {line: pieces}, adjustment: millionths}
    ended = fields.CharField(max_length=64, null=True)  # cancelled | deleted, and when
    seen_at = fields.DatetimeField()

    class Meta:
        table = "referral_orders"
        unique_together = (("shop", "order_id"),)
        indexes = (("seen_at",),)
