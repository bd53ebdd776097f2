"""LiteLLM Proxy."""
