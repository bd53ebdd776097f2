"""Files: manifests and settings in, schemas out."""
