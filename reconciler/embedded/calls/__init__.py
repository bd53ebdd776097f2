"""Calls of models through the embedded gateway."""
