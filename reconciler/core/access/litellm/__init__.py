"""LiteLLM's rules of access."""
