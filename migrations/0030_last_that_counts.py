"""The last moment that counts of a member is that of something that counts: where an order that
came back was taken for it, all that counts is added up anew with the next one.
"""

from tortoise import migrations
from tortoise.migrations import operations as ops

ADD_UP_ANEW = """
UPDATE tier_standings AS standing SET total = NULL, first_on = NULL, last_at = NULL
 WHERE EXISTS (SELECT FROM qualifying
                WHERE qualifying.shop = standing.shop
                  AND qualifying.member_id = standing.member_id
                  AND 0 IN (qualifying.points, qualifying.spend, qualifying.orders))
"""


class Migration(migrations.Migration):
    dependencies = [("app", "0029_campaign_quarters")]

    initial = False

    operations = [ops.RunSQL(ADD_UP_ANEW, reverse_sql="SELECT 1")]
