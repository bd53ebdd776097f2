"""What is wrong as written: checks, lint and policies."""
