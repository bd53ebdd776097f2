"""SaaS LiteLLM, as documented and as it is."""
