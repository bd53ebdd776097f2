"""The nouns: kinds, refs, states, changes, findings, settings."""
