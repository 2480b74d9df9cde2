"""Contracts that what others add must fulfil, as test classes to subclass. They need pytest."""
