"""What stands in the results table."""
