"""Accuracy, results and their aggregation."""
