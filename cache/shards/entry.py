"""One shard: an Arrow IPC file of a single record batch, and the manifest entry that makes it visible.

docs/cache-format.md describes both for other programs.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from xxhash import xxh3_128_hexdigest

from cache.errors import CacheError, DamagedShardError
from cache.folder import Bytes
from cache.key import FeatureKey
from cache.rows import CHECKSUM_BYTES, DIGEST_BYTES, DIGEST_TYPE, Digests, Values, stored_dtype
from cache.sealed import seal, unseal

SHARD_NAME = re.compile(r"[0-9a-f]{32}")
DATA_SUFFIX, ENTRY_SUFFIX = ".arrow", ".json"

KEY_METADATA = b"spg-dist.feature-key"
PADDING_METADATA = b"spg-dist.padding"
LINE_BYTES, PAGE_BYTES, LARGE_BYTES = 64, 4096, 1 << 20

_BYTES_BEFORE_FEATURE = DIGEST_BYTES + CHECKSUM_BYTES  # in each row; both columns are whole multiples of 8 bytes
_ARROW_TYPES = {"float16": pa.float16(), "float32": pa.float32(), "bfloat16": pa.uint16()}


@dataclass(frozen=True, kw_only=True)
class ShardEntry:
    """A shard's line in the manifest: what its file must be, and where in the file the three columns lie.

    Args:
        name: xxh3_128 of the whole Arrow file; the file is `<name>.arrow`, this entry `<name>.json`.
        rows: rows in the shard.
        file_bytes: size of the Arrow file.
        digest_offset, feature_offset, checksum_offset: bytes from the file's start to each column's first value.
        created_ns: nanoseconds since 1970 when it was written; of two shards with the same image the older counts.
        replaces: names of the shards that this one was compacted from.
    """

    name: str
    rows: int
    file_bytes: int
    digest_offset: int
    feature_offset: int
    checksum_offset: int
    created_ns: int
    replaces: tuple[str, ...] = ()

    @property
    def data_file(self) -> str:
        return self.name + DATA_SUFFIX

    @property
    def entry_file(self) -> str:
        return self.name + ENTRY_SUFFIX

    def to_json(self) -> bytes:
        """The entry as JSON, with a checksum over itself."""
        return seal(asdict(self))

    @classmethod
    def from_json(cls, data: bytes, where: str) -> ShardEntry:
        """Read `to_json`'s bytes. Raises DamagedShardError when they are not what was written."""
        body = unseal(data, where)
        try:
            entry = cls(**body | {"replaces": tuple(body["replaces"])})
        except (KeyError, TypeError) as error:
            raise DamagedShardError(f"{where} is no manifest entry: {error!r}", where) from None
        counts = (entry.rows, entry.file_bytes, entry.digest_offset, entry.feature_offset, entry.checksum_offset)
        if not all(type(count) is int and count >= 0 for count in (*counts, entry.created_ns)):
            raise DamagedShardError(f"{where} holds a number that is no whole one of at least 0", where)
        ends = (
            entry.digest_offset + DIGEST_BYTES * entry.rows,
            entry.feature_offset,
            entry.checksum_offset + CHECKSUM_BYTES * entry.rows,
        )
        if max(ends) > entry.file_bytes:
            raise DamagedShardError(f"{where} tells of {entry.rows} rows, for which its file is too short", where)
        if not all(isinstance(name, str) and SHARD_NAME.fullmatch(name) for name in (entry.name, *entry.replaces)):
            raise DamagedShardError(f"{where} holds names that are no shard's", where)
        return entry


class ShardColumns:
    """The three columns of a shard, as arrays over the file's bytes without a copy.

    `digests` (N,) S32 ascending, `values` (N, W) in the stored dtype, `checksums` (N,) uint64.

    Args:
        data: the file's bytes.
        entry: the shard's entry.
        key: the cache's key.
        rows: how many rows to look at, from the first; by default all.

    Raises:
        CacheError: the file ends before a column does.
    """

    def __init__(self, data: Bytes, entry: ShardEntry, key: FeatureKey, rows: int | None = None) -> None:
        count, dtype = entry.rows if rows is None else rows, stored_dtype(key.dtype)
        self.digests: Digests = _column(data, entry.digest_offset, count, DIGEST_TYPE)
        self.values: Values = _column(data, entry.feature_offset, count * key.width, dtype).reshape(-1, key.width)
        self.checksums: npt.NDArray[np.uint64] = _column(data, entry.checksum_offset, count, np.dtype("<u8"))


def _column(data: Bytes, offset: int, count: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    end = offset + count * dtype.itemsize
    if offset < 0 or end > len(data):
        raise CacheError(f"column at byte {offset} of {count} values ends at {end}, beyond the file's {len(data)}")
    return np.ndarray((count,), dtype=dtype, buffer=data.data, offset=offset)


def arrow_schema(key: FeatureKey) -> pa.Schema:
    """The shard's schema; its metadata carries the key, so a shard that strayed here from another cache is known."""
    value = pa.field("item", _ARROW_TYPES[key.dtype], nullable=False)
    columns = [
        pa.field("digest", pa.binary(DIGEST_BYTES), nullable=False),
        # Before the features, so that the rows that a truncation leaves can still be verified and kept.
        pa.field("checksum", pa.uint64(), nullable=False),
        pa.field("feature", pa.list_(value, key.width), nullable=False),
    ]
    return pa.schema(columns, metadata={KEY_METADATA: _key_text(key)})


def carries_key(data: Bytes, entry: ShardEntry, key: FeatureKey) -> bool:
    """Whether a shard's file is of this cache: its header holds the key's text.

    Searched, not parsed: it is asked of every shard that is opened, also of damaged ones.
    """
    return data[: entry.digest_offset].tobytes().find(_key_text(key)) >= 0


def key_in_file(data: Bytes) -> bytes | None:
    """The text of the key in an Arrow file's schema; None where it cannot be read or is no shard."""
    try:
        metadata = pa.ipc.open_file(pa.py_buffer(data)).schema.metadata or {}
    except (pa.ArrowException, OSError):
        return None
    text: bytes | None = metadata.get(KEY_METADATA)
    return text


def is_of_another_cache(data: Bytes, name: str, key: FeatureKey) -> bool:
    """Whether a file named like a shard is a whole shard, and not of this key. Reads all of it."""
    found = key_in_file(data)
    return found is not None and found != _key_text(key) and xxh3_128_hexdigest(data.data) == name


def _key_text(key: FeatureKey) -> bytes:
    return json.dumps(key.as_dict(), sort_keys=True).encode()


def _aligned_schema(key: FeatureKey, rows: int) -> pa.Schema:
    """The schema with blanks in its metadata that push the features to a round place in the file.

    Gathering rows of 1 KiB that straddle cache lines and pages costs a third more; Arrow itself aligns to 8 bytes only.
    """
    large = rows * key.width * stored_dtype(key.dtype).itemsize >= LARGE_BYTES
    blanks = -(_header_bytes(key) + rows * _BYTES_BEFORE_FEATURE) % (PAGE_BYTES if large else LINE_BYTES)
    schema = arrow_schema(key)
    return schema.with_metadata({**schema.metadata, PADDING_METADATA: b" " * blanks})


@cache
def _header_bytes(key: FeatureKey) -> int:
    """Bytes before the first column in a file without blanks, as this pyarrow writes it."""
    schema = arrow_schema(key)
    schema = schema.with_metadata({**schema.metadata, PADDING_METADATA: b""})
    one_row = np.zeros(_BYTES_BEFORE_FEATURE + key.width * 4, dtype=np.uint8)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(arrow_batch(key, one_row, one_row, one_row, 1).replace_schema_metadata(schema.metadata))
    data = np.frombuffer(sink.getvalue(), dtype=np.uint8)
    return entry_of(data, key, 0, name="header").digest_offset


def write_arrow(sink: Any, key: FeatureKey, digests: Any, values: Any, checksums: Any, rows: int) -> None:
    """Write a file of one record batch to a pyarrow sink; the columns are any buffers of the right length."""
    schema = _aligned_schema(key, rows)
    with pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(arrow_batch(key, digests, values, checksums, rows).replace_schema_metadata(schema.metadata))


def arrow_batch(key: FeatureKey, digests: Any, values: Any, checksums: Any, rows: int) -> pa.RecordBatch:
    """A record batch over the columns' buffers, without a copy."""
    schema = arrow_schema(key)
    item = pa.Array.from_buffers(_ARROW_TYPES[key.dtype], rows * key.width, [None, pa.py_buffer(values)])
    columns = [
        pa.Array.from_buffers(pa.binary(DIGEST_BYTES), rows, [None, pa.py_buffer(digests)]),
        pa.Array.from_buffers(pa.uint64(), rows, [None, pa.py_buffer(checksums)]),
        pa.Array.from_buffers(schema.field("feature").type, rows, [None], children=[item]),
    ]
    return pa.record_batch(columns, schema=schema)


def arrow_bytes(key: FeatureKey, digests: Digests, values: Values, checksums: npt.NDArray[np.uint64]) -> Bytes:
    """A small shard's whole Arrow file, in memory."""
    sink = pa.BufferOutputStream()
    write_arrow(
        sink, key, digests.view(np.uint8), values.reshape(-1).view(np.uint8), checksums.view(np.uint8), len(digests)
    )
    return np.frombuffer(sink.getvalue(), dtype=np.uint8)


def entry_of(
    data: Bytes, key: FeatureKey, created_ns: int, replaces: tuple[str, ...] = (), name: str | None = None
) -> ShardEntry:
    """Describe an Arrow file that lies in memory or in a map, reading its structure with pyarrow.

    A `name` that is known already saves reading all of the file for it.

    Raises:
        CacheError: it is no Arrow file of this key with one record batch.
    """
    buffer = pa.py_buffer(data)
    try:
        reader = pa.ipc.open_file(buffer)
        batches = reader.num_record_batches
        metadata, expected = reader.schema.metadata or {}, arrow_schema(key)
        own = reader.schema == expected and metadata.get(KEY_METADATA) == expected.metadata[KEY_METADATA]
        if not own or batches != 1:
            raise CacheError("the file holds another schema, another key, or not exactly one record batch")
        batch = reader.get_batch(0)
    except (pa.ArrowException, OSError) as error:
        raise CacheError(f"not a readable Arrow file: {error}") from None
    digests, checksums, features = batch.columns
    return ShardEntry(
        name=name or xxh3_128_hexdigest(data.data),
        rows=batch.num_rows,
        file_bytes=len(data),
        digest_offset=digests.buffers()[1].address - buffer.address,
        feature_offset=features.buffers()[-1].address - buffer.address,
        checksum_offset=checksums.buffers()[1].address - buffer.address,
        created_ns=created_ns,
        replaces=replaces,
    )
