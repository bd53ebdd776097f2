"""One module per ledger format, `format_NNNN`, whose `upgrade(conn)` leads there from the one before.

A released one is never edited. They are run in one transaction, by `reconciler.ledger.opening`.
"""
