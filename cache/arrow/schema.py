"""The three columns of a shard as Arrow has them: what shards and Parquet exports have in common."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from cache.key import FeatureKey
from cache.rows import DIGEST_BYTES
from cache.shards import key_text

KEY_METADATA = b"spg-dist.feature-key"

_TYPES = {"float16": pa.float16(), "float32": pa.float32(), "bfloat16": pa.uint16()}


def arrow_schema(key: FeatureKey) -> pa.Schema:
    """The columns; the metadata carries the key, so a shard that strayed here from another cache is known."""
    value = pa.field("item", _TYPES[key.dtype], nullable=False)
    columns = [
        pa.field("digest", pa.binary(DIGEST_BYTES), nullable=False),
        # Before the features, so that the rows that a truncation leaves can still be verified and kept.
        pa.field("checksum", pa.uint64(), nullable=False),
        pa.field("feature", pa.list_(value, key.width), nullable=False),
    ]
    return pa.schema(columns, metadata={KEY_METADATA: key_text(key)})


def arrow_batch(key: FeatureKey, digests: Any, checksums: Any, values: Any, rows: int) -> pa.RecordBatch:
    """A record batch over the columns' buffers, without a copy."""
    schema = arrow_schema(key)
    item = pa.Array.from_buffers(_TYPES[key.dtype], rows * key.width, [None, pa.py_buffer(values)])
    columns = [
        pa.Array.from_buffers(pa.binary(DIGEST_BYTES), rows, [None, pa.py_buffer(digests)]),
        pa.Array.from_buffers(pa.uint64(), rows, [None, pa.py_buffer(checksums)]),
        pa.Array.from_buffers(schema.field("feature").type, rows, [None], children=[item]),
    ]
    return pa.record_batch(columns, schema=schema)
