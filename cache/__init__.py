"""Feature cache."""
