"""Prices as data with a version: the snapshot that the package ships, the config's own file, LiteLLM's price map."""
