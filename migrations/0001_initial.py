import functools
from json import dumps, loads
from uuid import uuid4

from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    initial = True

    operations = [
        ops.CreateModel(
            name="Award",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("order_id", fields.CharField(max_length=32)),
                ("order_name", fields.CharField(default="", max_length=64)),
                ("member_id", fields.BigIntField(null=True)),
                ("outcome", fields.CharField(max_length=16)),
                ("rule_version", fields.IntField()),
                (
                    "frozen",
                    fields.JSONField(
                        encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads
                    ),
                ),
                ("points", fields.BigIntField()),
                ("reversed_points", fields.BigIntField(default=0)),
                (
                    "progress",
                    fields.JSONField(
                        default=dict,
                        encoder=functools.partial(dumps, separators=(",", ":")),
                        decoder=loads,
                    ),
                ),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={
                "table": "awards",
                "app": "app",
                "unique_together": (("shop", "order_id"),),
                "pk_attr": "id",
                "table_description": (
                    "What an order earned, frozen with everything it was computed from; refunds "
                    "reverse this record."
                ),
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ComplianceRequest",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("topic", fields.CharField(max_length=32)),
                ("reference", fields.CharField(max_length=128)),
                (
                    "payload",
                    fields.JSONField(
                        encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads
                    ),
                ),
                ("state", fields.CharField(default="received", max_length=16)),
                ("received_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={
                "table": "compliance_requests",
                "app": "app",
                "unique_together": (("shop", "topic", "reference"),),
                "pk_attr": "id",
                "table_description": "A data request or redaction, accepted and recorded.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Consumed",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("service", fields.CharField(max_length=32)),
                ("event_id", fields.CharField(max_length=64)),
                ("consumed_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={
                "table": "consumed",
                "app": "app",
                "unique_together": (("service", "event_id"),),
                "pk_attr": "id",
                "table_description": (
                    "An event a service has handled; written in the same transaction as its effect."
                ),
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="DeadLetter",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("service", fields.CharField(max_length=32)),
                ("shop", fields.CharField(max_length=255)),
                ("topic", fields.CharField(max_length=64)),
                ("reference", fields.CharField(max_length=128)),
                ("payload", fields.BinaryField()),
                ("state", fields.CharField(max_length=16)),
                ("reason", fields.TextField(unique=False)),
                ("attempts", fields.IntField(default=1)),
                (
                    "history",
                    fields.JSONField(
                        default=list,
                        encoder=functools.partial(dumps, separators=(",", ":")),
                        decoder=loads,
                    ),
                ),
                (
                    "next_attempt_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                ("proof", fields.TextField(default="", unique=False)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("updated_at", fields.DatetimeField(auto_now=True, auto_now_add=False)),
            ],
            options={
                "table": "dead_letters",
                "app": "app",
                "unique_together": (("service", "shop", "reference"),),
                "indexes": [
                    Index(fields=["shop", "state"]),
                    Index(fields=["service", "state", "next_attempt_at"]),
                ],
                "pk_attr": "id",
                "table_description": (
                    "An event or webhook that could not be handled: waiting for its next try, "
                    "dead, or replayed."
                ),
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="LedgerRow",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("member_id", fields.BigIntField()),
                ("sequence", fields.BigIntField()),
                ("source", fields.CharField(max_length=160)),
                ("effect", fields.CharField(max_length=32)),
                ("from_bucket", fields.CharField(max_length=12)),
                ("to_bucket", fields.CharField(max_length=12)),
                ("points", fields.BigIntField()),
                ("why", fields.TextField(unique=False)),
                ("effective_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("recorded_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("hash", fields.BinaryField()),
            ],
            options={
                "table": "ledger",
                "app": "app",
                "unique_together": (("shop", "source", "effect"), ("member_id", "sequence")),
                "indexes": [Index(fields=["shop", "effective_at", "effect", "points"])],
                "pk_attr": "id",
                "table_description": (
                    "One movement of points between two buckets of one member; never changed, "
                    "never deleted."
                ),
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Lot",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("member_id", fields.BigIntField()),
                ("source", fields.CharField(max_length=160)),
                ("granted", fields.BigIntField()),
                ("remaining", fields.BigIntField()),
                ("available_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("is_pending", fields.BooleanField(default=False)),
                ("expires_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("due_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("lapses", fields.IntField(default=0)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={
                "table": "lots",
                "app": "app",
                "unique_together": (("shop", "source"),),
                "indexes": [Index(fields=["member_id"]), Index(fields=["due_at"])],
                "pk_attr": "id",
                "table_description": (
                    "Earned points with their expiry; spending takes the earliest expiry first."
                ),
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Member",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("customer_id", fields.CharField(max_length=32)),
                ("name", fields.CharField(default="", max_length=512)),
                ("email", fields.CharField(default="", max_length=320)),
                ("pending", fields.BigIntField(default=0)),
                ("available", fields.BigIntField(default=0)),
                ("held", fields.BigIntField(default=0)),
                ("spent", fields.BigIntField(default=0)),
                ("expired", fields.BigIntField(default=0)),
                ("reversed", fields.BigIntField(default=0)),
                ("debt", fields.BigIntField(default=0)),
                ("issued", fields.BigIntField(default=0)),
                ("sequence", fields.BigIntField(default=0)),
                ("last_hash", fields.BinaryField(null=True)),
                (
                    "profile_updated_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                ("deleted_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("joined_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("updated_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={
                "table": "members",
                "app": "app",
                "unique_together": (("shop", "customer_id"),),
                "pk_attr": "id",
                "table_description": (
                    "A customer of a shop with the balance of every bucket, always the fold of "
                    "the ledger."
                ),
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="OutboxRow",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("event_id", fields.CharField(max_length=64)),
                ("topic", fields.CharField(max_length=64)),
                ("shop", fields.CharField(max_length=255)),
                ("body", fields.BinaryField()),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={
                "table": "outbox",
                "app": "app",
                "pk_attr": "id",
                "table_description": (
                    "A fact written in the transaction that made it true, until the relay has "
                    "moved it to the bus."
                ),
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ProgramVersion",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("version", fields.IntField()),
                ("rate", fields.DecimalField(max_digits=12, decimal_places=4)),
                ("rounding", fields.CharField(max_length=8)),
                ("pending_days", fields.IntField()),
                ("expiry_days", fields.IntField(null=True)),
                ("clawback", fields.CharField(max_length=16)),
                ("timezone", fields.CharField(default="UTC", max_length=64)),
                ("currency", fields.CharField(default="USD", max_length=3)),
                ("edited_by", fields.CharField(default="", max_length=64)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={
                "table": "program_versions",
                "app": "app",
                "unique_together": (("shop", "version"),),
                "pk_attr": "id",
                "table_description": (
                    "The rules of a shop's programme; every edit is a new version, awards name "
                    "the one they used."
                ),
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Receipt",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("webhook_id", fields.CharField(max_length=128)),
                ("topic", fields.CharField(max_length=64)),
                ("outcome", fields.CharField(max_length=16)),
                ("request_id", fields.CharField(max_length=128)),
                ("received_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("recorded_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={
                "table": "receipts",
                "app": "app",
                "unique_together": (("shop", "webhook_id"),),
                "pk_attr": "id",
                "table_description": (
                    "A webhook that was turned into facts; its unique key makes a repeated drain "
                    "a no-op."
                ),
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Redemption",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("member_id", fields.BigIntField()),
                ("customer_id", fields.CharField(max_length=32)),
                ("reward_id", fields.BigIntField()),
                ("title", fields.CharField(max_length=120)),
                ("points", fields.BigIntField()),
                ("amount_off", fields.DecimalField(max_digits=12, decimal_places=2)),
                ("idempotency_key", fields.CharField(max_length=128)),
                ("request_hash", fields.CharField(max_length=64)),
                ("code", fields.CharField(max_length=32)),
                ("discount_gid", fields.CharField(default="", max_length=64)),
                ("state", fields.CharField(max_length=16)),
                ("reason", fields.TextField(default="", unique=False)),
                (
                    "allocations",
                    fields.JSONField(
                        encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads
                    ),
                ),
                ("attempts", fields.IntField(default=0)),
                (
                    "next_attempt_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                ("give_up_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("request_id", fields.CharField(default="", max_length=128)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("updated_at", fields.DatetimeField(auto_now=True, auto_now_add=False)),
            ],
            options={
                "table": "redemptions",
                "app": "app",
                "unique_together": (("shop", "customer_id", "idempotency_key"),),
                "indexes": [
                    Index(fields=["state", "next_attempt_at"]),
                    Index(fields=["member_id", "created_at"]),
                ],
                "pk_attr": "id",
                "table_description": (
                    "A saga: points held, a discount code made at Shopify, then captured or "
                    "released."
                ),
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Reversal",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("order_id", fields.CharField(max_length=32)),
                ("source", fields.CharField(max_length=64)),
                (
                    "data",
                    fields.JSONField(
                        encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads
                    ),
                ),
                ("is_applied", fields.BooleanField(default=False)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={
                "table": "reversals",
                "app": "app",
                "unique_together": (("shop", "source"),),
                "indexes": [Index(fields=["shop", "order_id"])],
                "pk_attr": "id",
                "table_description": (
                    "A refund or cancellation as it came; it waits here when its order has not "
                    "been seen yet."
                ),
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Reward",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("title", fields.CharField(max_length=120)),
                ("cost", fields.BigIntField()),
                ("amount_off", fields.DecimalField(max_digits=12, decimal_places=2)),
                ("is_active", fields.BooleanField(default=True)),
                ("updated_at", fields.DatetimeField(auto_now=True, auto_now_add=False)),
            ],
            options={
                "table": "rewards",
                "app": "app",
                "indexes": [Index(fields=["shop", "cost"])],
                "pk_attr": "id",
                "table_description": "What points buy: an amount off the next order.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Shop",
            fields=[
                (
                    "domain",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=255),
                ),
                ("name", fields.CharField(default="", max_length=255)),
                ("currency", fields.CharField(default="USD", max_length=3)),
                ("timezone", fields.CharField(default="UTC", max_length=64)),
                ("status", fields.CharField(default="active", max_length=16)),
                ("plan", fields.CharField(default="standard", max_length=32)),
                ("access_token", fields.BinaryField(null=True)),
                (
                    "access_expires_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                ("refresh_token", fields.BinaryField(null=True)),
                (
                    "refresh_expires_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                ("scopes", fields.TextField(default="", unique=False)),
                ("token_version", fields.IntField(default=0)),
                ("installed_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                (
                    "uninstalled_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "shops",
                "app": "app",
                "pk_attr": "domain",
                "table_description": "A shop that installed the app; tokens are stored encrypted.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="SpilledWebhook",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("webhook_id", fields.CharField(max_length=128)),
                ("item", fields.BinaryField()),
                ("spilled_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={
                "table": "spilled_webhooks",
                "app": "app",
                "unique_together": (("shop", "webhook_id"),),
                "pk_attr": "id",
                "table_description": (
                    "A webhook accepted while Redis was away or its lane was full, to be put "
                    "into its lane later."
                ),
            },
            bases=["Model"],
        ),
    ]
