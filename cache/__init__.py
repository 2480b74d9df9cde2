"""A content-addressed cache of image features, to trust for years. Knows no CLIP, no Ray, no SPG.

    key = FeatureKey(backbone="...", transform="...", view="plain", dtype="float16", width=512)
    result = DigestIndex(root).digest_files(paths)           # .digests in order, None where .failed names the path
    cache = FeatureCache.open(root, key, store="arrow", provenance={"dataset": "pacs"})
    for digests in shards_of(cache.missing(wanted)):
        for mine in cache.claims(digests):                   # what nobody else is encoding, so nothing is done twice
            cache.write_shard(mine, encode(mine))            # (n, width) float32 or float16
    cache.compact()
    reader = cache.reader()
    batch = reader.take(reader.rows(digests))                # (n, width)

Rows of bfloat16 are handed out as uint16 bits (NumPy has no such type): `torch.from_numpy(rows).view(torch.bfloat16)`.
`FeatureCache` and readers are cheap to pickle and open their files again in the other process.
"""

from cache.digest_index import DigestIndex, DigestResult, digest_file
from cache.errors import CacheError, DamagedShardError, MissingRowsError
from cache.feature_cache import FeatureCache
from cache.key import DTYPES, LAYOUT_VERSION, FeatureKey
from cache.leases import Lease
from cache.stores import STORES, CompactInfo, Reader, ShardInfo

__all__ = [
    "DTYPES",
    "LAYOUT_VERSION",
    "STORES",
    "CacheError",
    "CompactInfo",
    "DamagedShardError",
    "DigestIndex",
    "DigestResult",
    "FeatureCache",
    "FeatureKey",
    "Lease",
    "MissingRowsError",
    "Reader",
    "ShardInfo",
    "digest_file",
]
