"""The third format: facts of a gateway that no manifest says."""

import sqlalchemy as sa


def upgrade(conn: sa.Connection) -> None:
    """One more table."""
    metadata = sa.MetaData()
    sa.Table(
        "ledger_facts",
        metadata,
        sa.Column("gateway", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
    )
    metadata.create_all(conn, checkfirst=False)
