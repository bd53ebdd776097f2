"""The first format: locks, inventory, applies, journal, grants."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

MOMENT = sa.DateTime(timezone=True)
BIG_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Every table."""
    _locks()
    _inventory()
    _applies()
    _journal()
    _grants()


def _locks() -> None:
    op.create_table(
        "ledger_locks",
        sa.Column("gateway", sa.Text, primary_key=True),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("holder", sa.Text),
        sa.Column("acquired", MOMENT),
        sa.Column("expires", MOMENT),
    )


def _inventory() -> None:
    op.create_table(
        "ledger_inventory",
        sa.Column("gateway", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("applied", sa.Text, nullable=False),
        sa.Column("adopted", sa.Boolean, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("apply_id", sa.BigInteger),
    )


def _applies() -> None:
    op.create_table(
        "ledger_applies",
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
        sqlite_autoincrement=True,
    )
    op.create_index("ledger_applies_gateway", "ledger_applies", ["gateway", "id"])


def _journal() -> None:
    op.create_table(
        "ledger_journal",
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
        sqlite_autoincrement=True,
    )
    still_open = sa.text("state IN ('intended', 'unknown')")
    columns = ["gateway", "id"]
    op.create_index(
        "ledger_journal_open",
        "ledger_journal",
        columns,
        sqlite_where=still_open,
        postgresql_where=still_open,
    )


def _grants() -> None:
    op.create_table(
        "ledger_grants",
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
