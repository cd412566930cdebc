import unicodedata

from tortoise import fields, migrations
from tortoise.contrib.postgres.fields import ArrayField
from tortoise.indexes import Index
from tortoise.migrations import operations as ops

# who the members are was kept with their points; from here on it is core's
MOVE_CUSTOMERS = [
    # folded names are compared byte by byte, wherever the database is
    'ALTER TABLE customers ALTER COLUMN sort_name TYPE varchar(255) COLLATE "C"',
    """
INSERT INTO customers (shop, customer_id, name, sort_name, email, consent, profile_updated_at,
                       person_at, first_order_at, first_order_id, deleted_at, joined_at, updated_at)
SELECT member.shop, member.customer_id, member.name,
       CASE WHEN member.name = '' THEN U&'\\+10FFFF' ELSE left(lower(member.name), 200) END,
       member.email, '', member.profile_updated_at,
       CASE WHEN member.profile_updated_at IS NULL AND (member.name <> '' OR member.email <> '')
            THEN member.joined_at END,
       first_order.at, first_order.order_id, member.deleted_at, member.joined_at, member.updated_at
  FROM members AS member
  LEFT JOIN (SELECT DISTINCT ON (award.member_id) award.member_id, award.order_id,
                    COALESCE(row.effective_at, award.created_at) AS at
               FROM awards AS award
               LEFT JOIN ledger AS row ON row.shop = award.shop AND row.effect = 'earn'
                    AND row.source = 'order:' || award.order_id
              WHERE award.member_id IS NOT NULL
              ORDER BY award.member_id, COALESCE(row.effective_at, award.created_at),
                    award.order_id COLLATE "C") AS first_order
    ON first_order.member_id = member.id
 ORDER BY member.id
""",
]
# a deleted customer without points is no member any more
FORGET_MEMBERS = "DELETE FROM members WHERE deleted_at IS NOT NULL AND sequence = 0"
TOTALS = [
    # what postings changed until it is folded: a few rows, for a few seconds
    """
CREATE TABLE total_deltas (
    shops text[] NOT NULL,
    periods bigint[] NOT NULL,
    earned bigint[] NOT NULL,
    spent bigint[] NOT NULL,
    members bigint[] NOT NULL,
    outstanding bigint[] NOT NULL
)
""",
    "ALTER TABLE shop_totals SET (fillfactor = 50)",
    "ALTER TABLE period_totals SET (fillfactor = 80)",
    """
INSERT INTO period_totals (shop, starts_at, earned, spent)
SELECT shop, to_timestamp(floor(extract(epoch FROM effective_at) / 900) * 900),
       COALESCE(sum(points) FILTER (WHERE effect = 'earn'), 0),
       COALESCE(sum(points) FILTER (WHERE effect = 'capture'), 0)
  FROM ledger WHERE effect IN ('earn', 'capture') GROUP BY 1, 2
""",
    """
INSERT INTO shop_totals (shop, members, outstanding)
SELECT shop, count(*), COALESCE(sum(available + pending + held), 0) FROM members GROUP BY shop
""",
]
INDEXES = [
    """
CREATE INDEX customers_by_name ON customers (shop, sort_name, id) WHERE deleted_at IS NULL
""",
    # what is included lets a search end with the index, in its order, without reading rows
    """
CREATE INDEX customers_by_last_name ON customers (shop, (substring(sort_name FROM '[^ ]+$')))
INCLUDE (sort_name, id) WHERE sort_name LIKE '% %'
""",
    """
CREATE INDEX customers_by_email ON customers (shop, (lower(left(email, 100)) COLLATE "C"))
INCLUDE (email, id) WHERE email <> ''
""",
    # (member_id, sequence) names a row of the ledger; nothing reads it by its id alone
    "ALTER TABLE ledger DROP CONSTRAINT IF EXISTS ledger_pkey",
]


async def fold_names(_apps, editor):
    """Names as they are searched for where SQL has not made them so: letters beyond ASCII, spaces
    too many.
    """
    last = 0
    while True:
        rows = await editor.client.execute_query_dict(
            "SELECT id, name FROM customers WHERE id > $1 AND name ~ '[^ -~]|  |^ | $' "
            "ORDER BY id LIMIT 5000",
            [last],
        )
        if not rows:
            return
        last = rows[-1]["id"]
        await editor.client.execute_query(
            "UPDATE customers SET sort_name = fresh.sort_name "
            "FROM unnest($1::bigint[], $2::text[]) AS fresh (id, sort_name) "
            "WHERE customers.id = fresh.id",
            [[row["id"] for row in rows], [fold(row["name"]) for row in rows]],
        )


def fold(name):
    apart = unicodedata.normalize("NFKD", name)
    plain = "".join(letter for letter in apart if not unicodedata.combining(letter))
    return " ".join(plain.casefold().split())[:200] or "\U0010ffff"


class Migration(migrations.Migration):
    dependencies = [("app", "0005_lanes")]

    initial = False

    operations = [
        ops.CreateModel(
            name="Customer",
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
                ("sort_name", fields.CharField(max_length=255)),
                ("email", fields.CharField(default="", max_length=320)),
                ("consent", fields.CharField(default="", max_length=32)),
                (
                    "profile_updated_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                ("person_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("consent_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                (
                    "first_order_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                ("first_order_id", fields.CharField(null=True, max_length=32)),
                ("merged_into", fields.CharField(null=True, max_length=32)),
                ("deleted_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("joined_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("updated_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={
                "table": "customers",
                "app": "app",
                "unique_together": (("shop", "customer_id"),),
                "pk_attr": "id",
                "table_description": (
                    "Who a customer of a shop is; services keep the id and their figures, and "
                    "ask core for"
                ),
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="PeriodTotal",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("starts_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("earned", fields.BigIntField()),
                ("spent", fields.BigIntField()),
            ],
            options={
                "table": "period_totals",
                "app": "app",
                "unique_together": (("shop", "starts_at"),),
                "pk_attr": "id",
                "table_description": (
                    "What a shop's members earned and spent in a quarter of an hour."
                ),
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ShopTotal",
            fields=[
                (
                    "shop",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=255),
                ),
                ("members", fields.BigIntField()),
                ("outstanding", fields.BigIntField()),
            ],
            options={
                "table": "shop_totals",
                "app": "app",
                "pk_attr": "shop",
                "table_description": "How many members a shop has, and their points outstanding.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="TopMembers",
            fields=[
                (
                    "shop",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=255),
                ),
                ("member_ids", ArrayField(element_type="BIGINT")),
                ("as_of", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "top_members",
                "app": "app",
                "pk_attr": "shop",
                "table_description": (
                    "Those with the most points in a shop with many members, as of a moment."
                ),
            },
            bases=["Model"],
        ),
        ops.RunSQL(MOVE_CUSTOMERS),
        ops.RunPython(fold_names),
        ops.RunSQL(FORGET_MEMBERS),
        ops.RemoveField(model_name="Member", name="deleted_at"),
        ops.RemoveField(model_name="Member", name="email"),
        ops.RemoveField(model_name="Member", name="name"),
        ops.RemoveField(model_name="Member", name="profile_updated_at"),
        ops.RunSQL(TOTALS),
        ops.RunSQL(INDEXES),
        ops.RemoveIndex(
            model_name="LedgerRow",
            name=None,
            fields=["shop", "effective_at", "effect", "points"],
        ),
        ops.AddIndex(
            model_name="LedgerRow",
            index=Index(fields=["shop", "id"]),
        ),
        ops.AlterModelOptions(
            name="Member",
            options={
                "table": "members",
                "app": "app",
                "unique_together": (("shop", "customer_id"),),
                "indexes": [Index(fields=["shop", "joined_at", "id"])],
                "pk_attr": "id",
                "table_description": (
                    "A customer of a shop with the balance of every bucket, always the fold of "
                    "the ledger; names"
                ),
            },
        ),
        ops.AddIndex(
            model_name="Member",
            index=Index(fields=["shop", "joined_at", "id"]),
        ),
    ]
