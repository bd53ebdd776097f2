"""What is secret, how it is recognised, and how it is kept out of texts."""
