"""The fourth format: renewals of virtual keys whose requests may still arrive."""

import sqlalchemy as sa


def upgrade(conn: sa.Connection) -> None:
    """One more table."""
    metadata = sa.MetaData()
    sa.Table(
        "ledger_renewals",
        metadata,
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("gateway", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("operation_id", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    metadata.create_all(conn, checkfirst=False)
