"""Flat shards: immutable files of three columns, each visible once its manifest entry is there."""
