"""The first format: locks, inventory, applies, journal, grants."""

import sqlalchemy as sa

MOMENT = sa.DateTime(timezone=True)
STILL_OPEN = sa.text("state IN ('intended', 'unknown')")
BIG_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade(conn: sa.Connection) -> None:
    """Every table."""
    metadata = sa.MetaData()
    for table in (_locks, _inventory, _applies, _journal, _grants):
        table(metadata)
    metadata.create_all(conn, checkfirst=False)


def _locks(metadata: sa.MetaData) -> None:
    sa.Table(
        "ledger_locks",
        metadata,
        sa.Column("gateway", sa.Text, primary_key=True),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("holder", sa.Text),
        sa.Column("acquired", MOMENT),
        sa.Column("expires", MOMENT),
    )


def _inventory(metadata: sa.MetaData) -> None:
    sa.Table(
        "ledger_inventory",
        metadata,
        sa.Column("gateway", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("applied", sa.Text, nullable=False),
        sa.Column("adopted", sa.Boolean, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("apply_id", sa.BigInteger),
    )


def _applies(metadata: sa.MetaData) -> None:
    sa.Table(
        "ledger_applies",
        metadata,
        sa.Column("id", BIG_ID, primary_key=True),
        sa.Column("gateway", sa.Text, nullable=False),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("revision", sa.Text),
        sa.Column("plan_digest", sa.Text, nullable=False),
        sa.Column("command", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("planned", sa.Text, nullable=False),
        sa.Column("counts", sa.Text, nullable=False),
        sa.Column("started", MOMENT, nullable=False),
        sa.Column("finished", MOMENT),
        sa.Index("ledger_applies_gateway", "gateway", "id"),
        sqlite_autoincrement=True,
    )


def _journal(metadata: sa.MetaData) -> None:
    sa.Table(
        "ledger_journal",
        metadata,
        sa.Column("id", BIG_ID, primary_key=True),
        sa.Column("gateway", sa.Text, nullable=False),
        sa.Column(
            "apply_id",
            BIG_ID,
            sa.ForeignKey("ledger_applies.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("step_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("operation_id", sa.Text),
        sa.Column("grant_id", sa.Text),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("seconds", sa.Float),
        sa.Column("note", sa.Text),
        sa.Column("intended", MOMENT, nullable=False),
        sa.Column("settled", MOMENT),
        sa.UniqueConstraint("apply_id", "step_id", name="ledger_journal_step"),
        sa.Index(
            "ledger_journal_open",
            "gateway",
            "id",
            sqlite_where=STILL_OPEN,
            postgresql_where=STILL_OPEN,
        ),
        sqlite_autoincrement=True,
    )


def _grants(metadata: sa.MetaData) -> None:
    sa.Table(
        "ledger_grants",
        metadata,
        sa.Column("gateway", sa.Text, primary_key=True),
        sa.Column("team", sa.Text, primary_key=True),
        sa.Column("grant_id", sa.Text, primary_key=True),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("operation_id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("apply_id", sa.BigInteger),
        sa.Column("intended", MOMENT, nullable=False),
        sa.Column("settled", MOMENT),
        sa.UniqueConstraint("gateway", "operation_id", name="ledger_grants_operation"),
    )
