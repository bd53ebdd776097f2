"""The second format: virtual keys that are owed, and the names that a gateway is known by."""

import sqlalchemy as sa


def upgrade(conn: sa.Connection) -> None:
    """Two more tables."""
    metadata = sa.MetaData()
    sa.Table(
        "ledger_owed_keys",
        metadata,
        sa.Column("gateway", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("apply_id", sa.BigInteger),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
    )
    sa.Table(
        "ledger_names",
        metadata,
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("gateway", sa.Text, nullable=False),
    )
    metadata.create_all(conn, checkfirst=False)
