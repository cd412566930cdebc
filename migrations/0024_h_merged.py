"""Who was merged into a member is found without looking through all others: a member whose customer
is deleted stays while others were merged into them.
"""

from tortoise import migrations
from tortoise.migrations import operations as ops

# few members were merged into others, and that is never undone
INDEX = """
CREATE INDEX members_merged ON members (merged_into) WHERE merged_into IS NOT NULL
"""


class Migration(migrations.Migration):
    dependencies = [("app", "0024_g_taken_back")]

    initial = False

    operations = [
        ops.RunSQL(INDEX, reverse_sql="DROP INDEX members_merged"),
    ]
