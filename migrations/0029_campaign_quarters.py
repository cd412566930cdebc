"""What campaigns gave by quarters of an hour, so that a page can show the days of any time zone."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops

# what was given before
FILL = """
INSERT INTO campaign_quarters (shop, campaign_id, began_at, given, taken_back)
SELECT shop, campaign_id, date_bin('15 minutes', at, '2000-01-01Z'),
       coalesce(sum(points) FILTER (WHERE points > 0), 0)::bigint,
       coalesce(-sum(points) FILTER (WHERE points < 0), 0)::bigint
  FROM campaign_results GROUP BY 1, 2, 3
"""


class Migration(migrations.Migration):
    dependencies = [("app", "0028_sums")]

    initial = False

    operations = [
        ops.CreateModel(
            name="CampaignQuarter",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("shop", fields.CharField(max_length=255)),
                ("campaign_id", fields.CharField(max_length=36)),
                ("began_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("given", fields.BigIntField(default=0)),
                ("taken_back", fields.BigIntField(default=0)),
            ],
            options={
                "table": "campaign_quarters",
                "app": "app",
                "unique_together": (("shop", "campaign_id", "began_at"),),
                "pk_attr": "id",
                "table_description": "What a campaign gave in a quarter of an hour: every time "
                "zone's days are made of those.",
            },
            bases=["Model"],
        ),
        ops.RunSQL(FILL, reverse_sql="SELECT 1"),
    ]
