"""Version 3: the worst beside the best, and the position of an output among those shown."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("records", sa.Column("worst", sa.Integer))
    op.add_column("records", sa.Column("position", sa.Integer))
