"""Manifests written from other sources."""
