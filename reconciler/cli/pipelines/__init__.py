"""What `reconciler ci` does: the pieces of `plan` and `apply` in the order that a pipeline needs them."""
