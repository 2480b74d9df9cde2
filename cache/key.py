"""FeatureKey: everything, beside the image's bytes, that determines a feature."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields
from typing import Any

from blake3 import blake3

from cache.errors import CacheError

LAYOUT_VERSION = 1
"""Version of the on-disk layout that this program writes (docs/cache-format.md)."""

DTYPES = ("float16", "float32", "bfloat16")

_VIEW = re.compile(r"plain|aug-\d+-\d+")


@dataclass(frozen=True, kw_only=True)
class FeatureKey:
    """The address of one cache below a cache root; two keys that differ in any field never share a row.

    Args:
        backbone: fingerprint of architecture, weights and activation.
        transform: fingerprint of resize, crop, interpolation, mean and std.
        view: `plain`, or `aug-<seed>-<k>` for the k-th augmented view drawn with that seed.
        dtype: how a value is stored: float16, float32 or bfloat16.
        width: values per row.
        layout: version of the on-disk layout.

    Raises:
        CacheError: a field has a value that no cache can have.
    """

    backbone: str
    transform: str
    view: str = "plain"
    dtype: str = "float16"
    width: int
    layout: int = LAYOUT_VERSION

    def __post_init__(self) -> None:
        for name in ("backbone", "transform"):
            if not isinstance(getattr(self, name), str) or not getattr(self, name):
                raise CacheError(f"feature key: {name} is {getattr(self, name)!r}; expected a non-empty fingerprint")
        if not isinstance(self.view, str) or not _VIEW.fullmatch(self.view):
            raise CacheError(f"feature key: view is {self.view!r}; expected 'plain' or 'aug-<seed>-<k>'")
        if self.dtype not in DTYPES:
            raise CacheError(f"feature key: dtype is {self.dtype!r}; expected one of {', '.join(DTYPES)}")
        for name in ("width", "layout"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise CacheError(f"feature key: {name} is {value!r}; expected a whole number of at least 1")

    @property
    def digest(self) -> str:
        """32 hexadecimal digits: blake3 of the fields as sorted JSON. Also the name of the cache's folder."""
        return blake3(json.dumps(asdict(self), sort_keys=True, ensure_ascii=True).encode()).hexdigest(16)

    def as_dict(self) -> dict[str, Any]:
        """The fields, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any], where: str) -> FeatureKey:
        """Read what `as_dict` gave; `where` names the file in the error for missing or unknown fields."""
        expected = {field.name for field in fields(cls)}
        if set(values) != expected:
            raise CacheError(f"{where}: the key has fields {sorted(values)}; expected {sorted(expected)}")
        return cls(**values)
