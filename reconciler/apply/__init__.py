"""One apply, from the gateway's lock to verification."""
