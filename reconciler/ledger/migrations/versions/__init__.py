"""One file per ledger format. A released one is never edited."""
