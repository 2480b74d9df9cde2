"""export and import: one Parquet file that any tool can read, and that makes the same cache again elsewhere."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cache.arrow.schema import KEY_METADATA, arrow_batch, arrow_schema
from cache.errors import CacheError, DamagedShardError
from cache.feature_cache import FeatureCache
from cache.folder import LocalFolder
from cache.key import FeatureKey
from cache.rows import DIGEST_TYPE, Values, digests_to_hex, row_checksums, stored_dtype

GROUP_ROWS = 65_536


def export_parquet(cache: FeatureCache, path: str | os.PathLike[str]) -> int:
    """Write every row to one Parquet file: columns digest, checksum, feature, as in a shard, the key in its metadata.

    Returns the number of rows. The file appears complete or not at all.
    """
    target = Path(path).absolute()
    rows = 0
    with (
        LocalFolder(target.parent).unfinished(target.name) as unfinished,
        pq.ParquetWriter(unfinished.path, arrow_schema(cache.key), compression="none", use_dictionary=False) as writer,
    ):
        for digests, values in cache.reader().batches(GROUP_ROWS):
            writer.write_batch(arrow_batch(cache.key, digests, row_checksums(digests, values), values, len(digests)))
            rows += len(digests)
    return rows


def import_parquet(
    path: str | os.PathLike[str], root: str | os.PathLike[str], store: str = "arrow"
) -> tuple[FeatureCache, int]:
    """Add the rows of an exported file to the cache of its key below a root, made where it is not there.

    Returns the cache and how many rows were new in it.

    Raises:
        CacheError: the file is no export.
        DamagedShardError: a row in it is not what was exported.
    """
    try:
        file = pq.ParquetFile(path)
        key = FeatureKey.from_dict(json.loads(file.schema_arrow.metadata[KEY_METADATA]), str(path))
    except (pa.ArrowInvalid, OSError, KeyError, TypeError, ValueError) as error:
        raise CacheError(f"{path} is no Parquet export of a feature cache: {error!r}") from None
    if file.schema_arrow.remove_metadata() != arrow_schema(key).remove_metadata():
        raise CacheError(f"{path} has columns {file.schema_arrow.names}; expected those of an export of {key}")
    batches = _whole_batches(file, key, str(path))
    first = list(islice(batches, 1))  # before the cache is made: a damaged file leaves no empty one
    cache = FeatureCache.open(root, key, store, provenance={"imported_from": Path(path).name})
    new = sum(cache.write_shard(digests, values).rows_written for digests, values in chain(first, batches))
    return cache, new


def _whole_batches(file: pq.ParquetFile, key: FeatureKey, where: str) -> Iterator[tuple[list[str], Values]]:
    """The digests (N,) and rows (N, width) of an export, each compared with its checksum."""
    for batch in file.iter_batches(GROUP_ROWS):
        digests = np.frombuffer(b"".join(batch.column("digest").to_pylist()), dtype=DIGEST_TYPE)
        flat = batch.column("feature").flatten().to_numpy(zero_copy_only=False)
        values = flat.astype(stored_dtype(key.dtype), copy=False).reshape(-1, key.width)
        wrong = row_checksums(digests, values) != batch.column("checksum").to_numpy()
        if wrong.any():
            names = digests_to_hex(digests[wrong])
            raise DamagedShardError(
                f"{where}: {len(names)} rows fail their checksum, the first for image {names[0]}; export it again",
                where,
                names,
            )
        yield digests_to_hex(digests), values
