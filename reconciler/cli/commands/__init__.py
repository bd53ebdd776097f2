"""The commands of `reconciler --help`, one module each."""
