"""The second format: virtual keys that are owed, and the names that a gateway is known by."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Two more tables."""
    op.create_table(
        "ledger_owed_keys",
        sa.Column("gateway", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("apply_id", sa.BigInteger),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "ledger_names",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("gateway", sa.Text, nullable=False),
    )
