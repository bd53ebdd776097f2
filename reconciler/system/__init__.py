"""The machine: files written, children confined."""
