"""Alembic's home: `env.py` runs the files in `versions/`, one per ledger format."""
