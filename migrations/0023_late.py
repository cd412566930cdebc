"""Orders that earned nothing are found without looking through all others: a campaign that is told
late may give them a bonus.
"""

from tortoise import migrations
from tortoise.migrations import operations as ops

# few orders earn nothing, and an order seldom becomes one or ceases to be one
INDEX = """
CREATE INDEX grants_zero ON grants (shop, id) WHERE outcome = 'zero' AND kind = 'order'
"""


class Migration(migrations.Migration):
    dependencies = [("app", "0022_appearance")]

    initial = False

    operations = [
        ops.RunSQL(INDEX, reverse_sql="DROP INDEX grants_zero"),
    ]
