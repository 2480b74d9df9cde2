"""The Arrow store: flat shards, each an Arrow IPC file of one record batch, so that it is mapped and used in place.

docs/cache-format.md describes the file for other programs.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from cache.arrow.schema import KEY_METADATA, arrow_batch, arrow_schema
from cache.errors import CacheError
from cache.folder import Bytes
from cache.key import FeatureKey
from cache.rows import CHECKSUM_BYTES, DIGEST_BYTES
from cache.shards import FlatShards, ShardLayout, key_from_text, padding_bytes

PADDING_METADATA = b"spg-dist.padding"

_BYTES_BEFORE_FEATURE = DIGEST_BYTES + CHECKSUM_BYTES  # in each row; both columns are whole multiples of 8 bytes


class ArrowFile:
    """The `cache.shards.Container` of Arrow IPC files."""

    name = "arrow"

    def write(self, sink: Any, key: FeatureKey, digests: Any, checksums: Any, values: Any, rows: int) -> None:
        # Arrow itself aligns to 8 bytes only, so blanks in the metadata push the features to a round place.
        blanks = padding_bytes(_header_bytes(key) + rows * _BYTES_BEFORE_FEATURE, key, rows)
        _write(sink, key, (digests, checksums, values), rows, blanks)

    def read(self, data: Bytes) -> ShardLayout:
        buffer = pa.py_buffer(data)
        try:
            reader = pa.ipc.open_file(buffer)
            key = key_from_text((reader.schema.metadata or {}).get(KEY_METADATA, b""))
            if reader.schema != arrow_schema(key) or reader.num_record_batches != 1:
                raise CacheError("the file holds another schema, or not exactly one record batch")
            digests, checksums, features = reader.get_batch(0).columns
        except (pa.ArrowException, OSError, OverflowError) as error:  # the last is for a width that nothing has
            raise CacheError(f"not a readable Arrow file: {error}") from None
        return ShardLayout(
            key=key,
            rows=len(digests),
            digest_offset=digests.buffers()[1].address - buffer.address,
            checksum_offset=checksums.buffers()[1].address - buffer.address,
            feature_offset=features.buffers()[-1].address - buffer.address,
        )


def _write(sink: Any, key: FeatureKey, columns: tuple[Any, Any, Any], rows: int, blanks: int) -> None:
    schema = arrow_schema(key)
    schema = schema.with_metadata({**schema.metadata, PADDING_METADATA: b" " * blanks})
    with pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(arrow_batch(key, *columns, rows).replace_schema_metadata(schema.metadata))


@cache
def _header_bytes(key: FeatureKey) -> int:
    """Bytes before the first column in a file without blanks, as this pyarrow writes it."""
    one_row = np.zeros(_BYTES_BEFORE_FEATURE + key.width * 4, dtype=np.uint8)
    sink = pa.BufferOutputStream()
    _write(sink, key, (one_row, one_row, one_row), 1, 0)
    return ArrowFile().read(np.frombuffer(sink.getvalue(), dtype=np.uint8)).digest_offset


STORE = FlatShards(ArrowFile())
