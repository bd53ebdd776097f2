"""YAML read, edited in place and written."""
