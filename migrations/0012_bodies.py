"""Webhooks as they came are kept for a week, to be translated again; what that corrected is listed
for merchants.
"""

from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops

# A row holds up to a hundred webhooks of a partition, deflated and sealed together; the numbers of
# a shop's rows are in the order of its lane, so the sequence keeps nothing in the sessions.
BODIES = """
CREATE SEQUENCE webhook_bodies_id;
CREATE TABLE webhook_bodies (
    part smallint NOT NULL,
    day date NOT NULL,
    id bigint NOT NULL DEFAULT nextval('webhook_bodies_id'),
    first_ms bigint NOT NULL,
    last_ms bigint NOT NULL,
    shops text[] NOT NULL,
    told bytea NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (part, id, day)
) PARTITION BY RANGE (day);
ALTER TABLE webhook_bodies ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE TABLE webhook_bodies_rest PARTITION OF webhook_bodies DEFAULT;
CREATE TABLE body_redactions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    shop text NOT NULL,
    numbers text[] NOT NULL,
    after_id bigint NOT NULL DEFAULT 0,
    asked_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE retranslations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    shop text NOT NULL DEFAULT '',
    since timestamptz NOT NULL,
    until timestamptz NOT NULL,
    why text NOT NULL,
    is_whole boolean NOT NULL,
    state text NOT NULL DEFAULT 'looking',
    part smallint NOT NULL DEFAULT 0,
    after_id bigint NOT NULL DEFAULT 0,
    found text NOT NULL DEFAULT '{}',
    told bigint NOT NULL DEFAULT 0,
    made_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
"""


class Migration(migrations.Migration):
    dependencies = [("app", "0011_pages")]

    initial = False

    operations = [
        ops.RunSQL(BODIES),
        ops.CreateModel(
            name="Correction",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("order_id", fields.CharField(max_length=32)),
                ("order_name", fields.CharField(max_length=64)),
                ("customer_id", fields.CharField(max_length=32)),
                ("before", fields.BigIntField()),
                ("after", fields.BigIntField()),
                ("reason", fields.TextField(unique=False)),
                ("made_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={
                "table": "corrections",
                "app": "app",
                "indexes": [Index(fields=["shop", "id"])],
                "pk_attr": "id",
                "table_description": "An order whose points were corrected, because what was made "
                "of its webhooks was wrong.",
            },
            bases=["Model"],
        ),
    ]
