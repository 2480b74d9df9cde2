"""Spaces that `tune.space` takes by name."""
