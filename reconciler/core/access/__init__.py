"""Who can call what, by the rules of each gateway."""
