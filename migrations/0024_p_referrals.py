"""Lists of referrals by how they stand, searches by an order's name, and visits by day: each by an
index, however many referrals a shop has.
"""

from tortoise import migrations
from tortoise.migrations import operations as ops

INDEXES = """
CREATE INDEX referrals_state ON referrals (shop, state, claimed_at, id);
CREATE INDEX referrals_blocked ON referrals (shop, claimed_at, id) WHERE verdict = 'block';
CREATE INDEX referrals_order_name ON referrals (shop, ltrim(order_name, '#'))
    WHERE order_name <> '';
CREATE INDEX referral_visits_day ON referral_visits (shop, day);
"""
BACK = """
DROP INDEX referrals_state, referrals_blocked, referrals_order_name, referral_visits_day;
"""


class Migration(migrations.Migration):
    dependencies = [("app", "0024_j_owed_and_chosen")]

    initial = False

    operations = [ops.RunSQL(INDEXES, BACK)]
