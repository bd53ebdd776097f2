"""Live objects as manifests."""
