"""Version 2: corrections of records, erasure of raters, and the settings that erasure needs."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("records", sa.Column("supersedes", sa.BigInteger))
    op.add_column("records", sa.Column("superseded_at", sa.BigInteger))
    op.add_column("records", sa.Column("reason", sa.Text))
    op.create_index("records_supersedes", "records", ["supersedes"], unique=True)
    op.create_table(
        "settings",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "erasures",
        sa.Column("rater_hash", sa.Text, primary_key=True),
        sa.Column("records", sa.BigInteger, nullable=False),
        sa.Column("erased_at", sa.BigInteger, nullable=False),
    )
