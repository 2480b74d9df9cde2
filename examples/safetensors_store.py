"""A store of one's own: features in safetensors files, which torch, JAX, Rust and the model hub read.

    python jobs/full_pipeline.py name=mine plugins=[examples/safetensors_store.py] cache.store=safetensors
    spg-dist cache verify feature-cache --plugins examples/safetensors_store.py

A safetensors file is the length of its header (8 bytes), the header as JSON, and the tensors' bytes. All else that a
shard needs (manifest, look-up, compaction, verification, repair, conversion) comes from `cache.shards`.
"""

from __future__ import annotations

import json
from typing import Any

from cache import CacheError, FeatureKey
from cache.shards import FlatShards, ShardLayout, key_from_text, key_text, padding_bytes

TYPES = {"float16": "F16", "float32": "F32", "bfloat16": "BF16"}
DIGEST_BYTES, CHECKSUM_BYTES, LENGTH_BYTES = 32, 8, 8


class SafetensorsFile:
    """Three tensors: `digest` (N, 32), `checksum` (N,) and `feature` (N, W), for N images and W values per row."""

    name = "safetensors"

    def write(self, sink: Any, key: FeatureKey, digests: Any, checksums: Any, values: Any, rows: int) -> None:
        header: dict[str, Any] = {"__metadata__": {"feature-key": key_text(key).decode()}}
        end = 0
        for name, dtype, shape, column in (
            ("digest", "U8", [rows, DIGEST_BYTES], digests),
            ("checksum", "U64", [rows], checksums),
            ("feature", TYPES[key.dtype], [rows, key.width], values),
        ):
            begin, end = end, end + memoryview(column).nbytes
            header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
        text = json.dumps(header).encode()
        text += b" " * padding_bytes(LENGTH_BYTES + len(text) + rows * (DIGEST_BYTES + CHECKSUM_BYTES), key, rows)
        sink.write(len(text).to_bytes(LENGTH_BYTES, "little") + text)
        for column in (digests, checksums, values):
            sink.write(column)

    def read(self, data: Any) -> ShardLayout:
        tensors = LENGTH_BYTES + int.from_bytes(data[:LENGTH_BYTES].tobytes(), "little")
        try:
            header = json.loads(data[LENGTH_BYTES:tensors].tobytes())
            key = key_from_text(header["__metadata__"]["feature-key"])
            begin = {name: tensors + header[name]["data_offsets"][0] for name in ("digest", "checksum", "feature")}
            rows = header["digest"]["shape"][0]
        except (ValueError, LookupError, TypeError) as error:
            raise CacheError(f"not a readable safetensors file: {error!r}") from None
        return ShardLayout(
            key=key,
            rows=rows,
            digest_offset=begin["digest"],
            checksum_offset=begin["checksum"],
            feature_offset=begin["feature"],
        )


STORE = FlatShards(SafetensorsFile())
