"""Credits: what is allocated, by whom it was given before, and what is left."""
