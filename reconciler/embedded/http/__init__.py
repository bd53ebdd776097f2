"""Requests and answers of the embedded gateway."""
