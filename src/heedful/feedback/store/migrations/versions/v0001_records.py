"""Version 1: sources and the records read from them (feedback schema version 1)."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TEXT = ("context", "address", "choice", "text", "signal", "rater", "rater_kind", "protocol", "policy", "licence")
_LISTS = ("ranks", "steps")
_NUMBERS = (
    "degree", "share", "rating", "scale_low", "scale_high", "step", "amount", "propensity", "seconds",
)  # fmt: skip


def upgrade() -> None:
    key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "sources",
        sa.Column("seq", key, primary_key=True),
        sa.Column("digest", sa.Text, nullable=False, unique=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("format", sa.Text, nullable=False),
        sa.Column("read", sa.BigInteger, nullable=False),
        sa.Column("accepted", sa.BigInteger, nullable=False),
        sa.Column("complete", sa.Boolean, nullable=False),
        sa.Column("stored_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "records",
        sa.Column("seq", key, primary_key=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("source_seq", sa.BigInteger, sa.ForeignKey("sources.seq"), nullable=False),
        sa.Column("stored_at", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("kind", "outputs", "systems", "criterion")),
        *(sa.Column(name, sa.Text) for name in (*_TEXT, *_LISTS, "extra", "source")),
        *(sa.Column(name, sa.Double) for name in _NUMBERS),
        *(sa.Column(name, sa.Boolean) for name in ("shown", "label", "consent", "personal")),
        *(sa.Column(name, sa.BigInteger) for name in ("time", "line")),
        sa.Column("best", sa.Integer),
        sqlite_autoincrement=True,
    )
