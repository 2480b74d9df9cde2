"""Flat shards: immutable files of three columns, each visible once its manifest entry is there.

A store of one's own in such files takes a `Container` and `STORE = FlatShards(MyContainer())`.
"""

from cache.shards.container import Container, ShardLayout, key_from_text, key_text, padding_bytes
from cache.shards.store import FlatShards

__all__ = ["Container", "FlatShards", "ShardLayout", "key_from_text", "key_text", "padding_bytes"]
