"""What pages and rules ask of referrals: lists by how they stand, searches by an order's name, who
was merged into somebody, how many visits and links; each by an index, however many a shop has.
"""

from tortoise import migrations
from tortoise.migrations import operations as ops

INDEXES = """
CREATE INDEX referrals_state ON referrals (shop, state, claimed_at, id);
CREATE INDEX referrals_blocked ON referrals (shop, claimed_at, id) WHERE verdict = 'block';
CREATE INDEX referrals_order_name ON referrals (shop, ltrim(order_name, '#'))
    WHERE order_name <> '';
CREATE INDEX referral_people_merged ON referral_people (shop, merged_into)
    WHERE merged_into IS NOT NULL;
CREATE INDEX referral_visits_day ON referral_visits (shop, day) INCLUDE (visits);
CREATE INDEX referral_links_ready ON referral_links (shop) WHERE status = 'ready';
"""
BACK = """
DROP INDEX referrals_state, referrals_blocked, referrals_order_name, referral_people_merged,
           referral_visits_day, referral_links_ready;
"""


class Migration(migrations.Migration):
    dependencies = [("app", "0026_owed_and_chosen")]

    initial = False

    operations = [ops.RunSQL(INDEXES, BACK)]
