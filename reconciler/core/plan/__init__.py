"""Desired and live state become a plan."""
