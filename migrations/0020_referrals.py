"""Referrals: links, visits, claims with their timeline, and what is known of people."""

from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("app", "0019_tiers")]

    initial = False

    operations = [
        ops.CreateModel(
            name="Referral",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("link_id", fields.BigIntField()),
                ("advocate_id", fields.CharField(max_length=32)),
                ("friend_email", fields.CharField(max_length=320)),
                ("friend_key", fields.CharField(max_length=64)),
                ("friend_id", fields.CharField(max_length=32)),
                ("state", fields.CharField(max_length=12)),
                ("verdict", fields.CharField(max_length=8)),
                ("score", fields.IntField()),
                ("reasons", fields.JSONField()),
                ("decided_by", fields.CharField(max_length=128)),
                ("known", fields.JSONField()),
                ("offer", fields.JSONField()),
                ("code", fields.CharField(null=True, max_length=32)),
                ("code_state", fields.CharField(max_length=8)),
                ("code_round", fields.IntField()),
                ("code_reason", fields.TextField(unique=False)),
                ("discount_gid", fields.CharField(max_length=64)),
                ("attempts", fields.IntField()),
                (
                    "next_attempt_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                ("order_id", fields.CharField(max_length=32)),
                ("order_name", fields.CharField(max_length=64)),
                ("order_net", fields.DecimalField(null=True, max_digits=18, decimal_places=6)),
                ("ordered_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("due_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                (
                    "completed_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                ("rounds", fields.IntField()),
                ("request_id", fields.CharField(max_length=128)),
                ("claimed_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("updated_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "referrals",
                "app": "app",
                "indexes": [
                    Index(fields=["shop", "claimed_at"]),
                    Index(fields=["shop", "advocate_id", "claimed_at"]),
                    Index(fields=["shop", "link_id", "claimed_at"]),
                ],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ReferralEvent",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("referral_id", fields.BigIntField()),
                ("kind", fields.CharField(max_length=16)),
                ("by", fields.CharField(max_length=128)),
                ("words", fields.TextField(unique=False)),
                ("at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "referral_events",
                "app": "app",
                "indexes": [Index(fields=["shop", "referral_id"])],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ReferralKey",
            fields=[
                (
                    "shop",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=255),
                ),
                ("sealed", fields.BinaryField()),
                ("redact_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={"table": "referral_keys", "app": "app", "pk_attr": "shop"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ReferralLink",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("customer_id", fields.CharField(max_length=32)),
                ("advocate_id", fields.CharField(max_length=32)),
                ("code", fields.CharField(null=True, max_length=16)),
                ("status", fields.CharField(max_length=8)),
                ("asked_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("made_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "referral_links",
                "app": "app",
                "unique_together": (("shop", "customer_id"), ("shop", "code")),
                "indexes": [
                    Index(fields=["shop", "advocate_id"]),
                    Index(fields=["shop", "made_at"]),
                    Index(fields=["status", "asked_at"]),
                ],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ReferralMark",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("kind", fields.CharField(max_length=8)),
                ("digest", fields.CharField(max_length=64)),
                ("subject", fields.CharField(max_length=64)),
                ("seen_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "referral_marks",
                "app": "app",
                "unique_together": (("shop", "kind", "digest", "subject"),),
                "indexes": [Index(fields=["seen_at"]), Index(fields=["shop", "subject"])],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ReferralOrder",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("order_id", fields.CharField(max_length=32)),
                ("referral_id", fields.BigIntField(null=True)),
                (
                    "told",
                    fields.JSONField(null=True),
                ),
                ("refunds", fields.JSONField()),
                ("ended", fields.CharField(null=True, max_length=64)),
                ("seen_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "referral_orders",
                "app": "app",
                "unique_together": (("shop", "order_id"),),
                "indexes": [Index(fields=["seen_at"])],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ReferralPerson",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("person", fields.CharField(max_length=80)),
                ("email_key", fields.CharField(max_length=64)),
                ("known_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                (
                    "first_order_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                ("merged_into", fields.CharField(null=True, max_length=80)),
            ],
            options={
                "table": "referral_people",
                "app": "app",
                "unique_together": (("shop", "person"),),
                "indexes": [Index(fields=["shop", "email_key"])],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ReferralSettings",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("version", fields.IntField()),
                ("is_on", fields.BooleanField()),
                ("friend_kind", fields.CharField(max_length=8)),
                ("friend_value", fields.DecimalField(max_digits=12, decimal_places=2)),
                ("friend_minimum", fields.DecimalField(max_digits=12, decimal_places=2)),
                ("code_days", fields.IntField()),
                ("order_minimum", fields.DecimalField(max_digits=12, decimal_places=2)),
                ("advocate_kind", fields.CharField(max_length=8)),
                ("advocate_points", fields.IntField()),
                ("advocate_reward_id", fields.CharField(max_length=32)),
                ("advocate_text", fields.CharField(max_length=120)),
                ("hold_days", fields.IntField()),
                ("window_days", fields.IntField()),
                ("day_max", fields.IntField()),
                ("month_max", fields.IntField()),
                ("all_max", fields.IntField()),
                ("edited_by", fields.CharField(max_length=128)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={
                "table": "referral_settings",
                "app": "app",
                "unique_together": (("shop", "version"),),
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ReferralVisit",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("link_id", fields.BigIntField()),
                ("day", fields.DateField()),
                ("visits", fields.IntField()),
            ],
            options={
                "table": "referral_visits",
                "app": "app",
                "unique_together": (("shop", "link_id", "day"),),
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.RunSQL(
            [
                # a friend is of one advocate, an order and a code of one referral
                "CREATE UNIQUE INDEX referrals_friend ON referrals (shop, friend_key)"
                " WHERE verdict <> 'block' AND state <> 'lapsed' AND friend_key <> ''",
                "CREATE UNIQUE INDEX referrals_order ON referrals (shop, order_id)"
                " WHERE order_id <> ''",
                "CREATE UNIQUE INDEX referrals_code ON referrals (shop, upper(code))"
                " WHERE code IS NOT NULL",
                "CREATE INDEX referrals_any_friend ON referrals (shop, friend_key)"
                " WHERE friend_key <> ''",
                "CREATE INDEX referrals_customer ON referrals (shop, friend_id)"
                " WHERE friend_id <> ''",
                "CREATE INDEX referrals_held ON referrals (shop, claimed_at)"
                " WHERE verdict = 'hold'",
                "CREATE INDEX referrals_due ON referrals (due_at)"
                " WHERE due_at IS NOT NULL AND verdict = 'allow'",
                "CREATE INDEX referrals_codes ON referrals (next_attempt_at)"
                " WHERE next_attempt_at IS NOT NULL",
                "CREATE INDEX referrals_completed ON referrals (shop, advocate_id, completed_at)"
                " WHERE completed_at IS NOT NULL",
                "CREATE INDEX referrals_lapsed ON referrals (updated_at)"
                " WHERE state = 'lapsed' AND friend_email <> ''",
                "CREATE INDEX referral_orders_address ON referral_orders (shop, (told->>'address'))"
                " WHERE told->>'address' <> ''",
                "CREATE INDEX referral_orders_old ON referral_orders (seen_at)"
                " WHERE told->>'address' <> ''",
                "CREATE INDEX referral_orders_loose ON referral_orders (seen_at)"
                " WHERE referral_id IS NULL",
            ]
        ),
    ]
