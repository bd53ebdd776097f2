"""Run by alembic: migrates over the connection that the opening gives, inside its transaction."""

from alembic import context

from reconciler.ledger.tables import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
