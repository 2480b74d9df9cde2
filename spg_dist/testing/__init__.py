"""Tests that whatever is added to spg-dist must pass, for others to run on theirs."""
