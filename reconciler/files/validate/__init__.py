"""Manifests and settings against their JSON Schema."""
