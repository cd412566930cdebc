"""The heads of the ledger's chains as verification found them last, signed, by shop."""

from tortoise import migrations
from tortoise.migrations import operations as ops

# `heads` is bytes that do not compress; the second index is the way of a walk over all shops
HEADS = """
CREATE TABLE audit_heads (
    shop text NOT NULL,
    slot bigint NOT NULL,
    signed_at bigint NOT NULL,
    signature text NOT NULL,
    heads bytea NOT NULL,
    PRIMARY KEY (shop, slot)
);
ALTER TABLE audit_heads ALTER COLUMN heads SET STORAGE EXTERNAL;
CREATE INDEX audit_heads_slot ON audit_heads (slot);
-- so that an audit may look at lots with points left alone, by their index
ALTER TABLE lots ADD CONSTRAINT lots_remaining_is_not_negative CHECK (remaining >= 0);
"""


class Migration(migrations.Migration):
    dependencies = [("app", "0007_points")]

    initial = False

    operations = [ops.RunSQL(HEADS)]
