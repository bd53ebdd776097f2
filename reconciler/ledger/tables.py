"""The tables of the ledger, as the newest migration leaves them."""

import json
from datetime import UTC, datetime
from typing import Any

from pydantic_core import from_json
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeDecorator

# every migration, oldest first: what tells a newer ledger from an older one
FORMATS = ("0001", "0002", "0003", "0004")
VERSION_TABLE = "ledger_version"


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC datetime; SQLite keeps it without its zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Raises ValueError for a naive time: whose midnight it means cannot be told."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("the ledger takes aware times only")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The same moment, aware."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


class Prose(TypeDecorator[str]):
    """Text from outside (error bodies, user names), made fit to store: PostgreSQL takes no NUL, UTF-8 no surrogates."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """What cannot be stored is replaced by a question mark or left out."""
        return (
            None if value is None else value.replace("\0", "").encode("utf-8", "replace").decode()
        )


class Json(TypeDecorator[Any]):
    """JSON as ASCII text: JSONB refuses NUL and reorders, and the drivers differ in when they convert."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:  # noqa: ARG002
        """Raises TypeError or ValueError for what JSON does not know."""
        return json.dumps(value, allow_nan=False)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ARG002
        """The same value, at twice the speed of the standard library."""
        try:
            return from_json(value or "null")
        except ValueError:  # a lone surrogate, which only the standard library reads
            return json.loads(value or "null")


BigId = BigInteger().with_variant(Integer, "sqlite")  # only INTEGER counts up by itself in SQLite
OPEN_STEPS = text("state IN ('intended', 'unknown')")
metadata = MetaData()

locks = Table(
    "ledger_locks",
    metadata,
    Column("gateway", Text, primary_key=True),
    Column("token", BigInteger, nullable=False),
    Column("holder", Prose),  # NULL: free. The row stays, so that tokens never start again
    Column("acquired", UtcTime),
    Column("expires", UtcTime),
)

inventory = Table(
    "ledger_inventory",
    metadata,
    Column("gateway", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("applied", Json, nullable=False),
    Column("adopted", Boolean, nullable=False),
    Column("since", UtcTime, nullable=False),
    Column("apply_id", BigInteger),
)

applies = Table(
    "ledger_applies",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("gateway", Text, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("actor", Prose, nullable=False),
    Column("revision", Text),
    Column("plan_digest", Text, nullable=False),
    Column("command", Prose, nullable=False),
    Column("status", Text, nullable=False),
    Column("planned", Json, nullable=False),
    Column("counts", Json, nullable=False),
    Column("started", UtcTime, nullable=False),
    Column("finished", UtcTime),
    Index("ledger_applies_gateway", "gateway", "id"),
    sqlite_autoincrement=True,
)

journal = Table(
    "ledger_journal",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("gateway", Text, nullable=False),
    Column("apply_id", BigId, ForeignKey("ledger_applies.id", ondelete="CASCADE"), nullable=False),
    Column("step_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("operation_id", Text),
    Column("grant_id", Text),
    Column("detail", Json, nullable=False),
    Column("state", Text, nullable=False),
    Column("error", Prose),
    Column("seconds", Float),
    Column("note", Prose),
    Column("intended", UtcTime, nullable=False),
    Column("settled", UtcTime),
    UniqueConstraint("apply_id", "step_id", name="ledger_journal_step"),
    Index(
        "ledger_journal_open", "gateway", "id", sqlite_where=OPEN_STEPS, postgresql_where=OPEN_STEPS
    ),
    sqlite_autoincrement=True,
)

grants = Table(
    "ledger_grants",
    metadata,
    Column("gateway", Text, primary_key=True),
    Column("team", Text, primary_key=True),
    Column("grant_id", Text, primary_key=True),
    Column("amount", BigInteger, nullable=False),
    Column("operation_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("apply_id", BigInteger),
    Column("intended", UtcTime, nullable=False),
    Column("settled", UtcTime),
    UniqueConstraint("gateway", "operation_id", name="ledger_grants_operation"),
)

owed_keys = Table(
    "ledger_owed_keys",
    metadata,
    Column("gateway", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("apply_id", BigInteger),
    Column("since", UtcTime, nullable=False),
)

renewals = Table(
    "ledger_renewals",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("gateway", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("operation_id", Text, nullable=False),
    sqlite_autoincrement=True,
)

names = Table(
    "ledger_names",
    metadata,
    Column("name", Text, primary_key=True),
    Column("gateway", Text, nullable=False),
)

facts = Table(
    "ledger_facts",
    metadata,
    Column("gateway", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", Json, nullable=False),
    Column("since", UtcTime, nullable=False),
)
