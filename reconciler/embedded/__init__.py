"""The gateway that ships with the product: FastAPI on SQLite, with the API that SaaS LiteLLM documents."""
