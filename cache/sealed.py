"""Small JSON files that carry a checksum over themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from xxhash import xxh3_64_hexdigest

from cache.errors import DamagedShardError

_SEAL = "checksum"


def seal(body: Mapping[str, Any]) -> bytes:
    """The body as JSON with one more field `checksum`: xxh3_64 of the body's own compact JSON with sorted keys."""
    return json.dumps(dict(body) | {_SEAL: _checksum(body)}, sort_keys=True, indent=1).encode()


def unseal(data: bytes, where: str) -> dict[str, Any]:
    """The body of what `seal` wrote. Raises DamagedShardError, naming `where`, when a byte of meaning has changed."""
    try:
        body = json.loads(data)
        checksum = body.pop(_SEAL)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedShardError(f"{where} cannot be read: {error!r}", where) from None
    if checksum != _checksum(body) or not isinstance(body, dict):
        raise DamagedShardError(f"{where} fails its own checksum", where)
    return body


def _checksum(body: Mapping[str, Any]) -> str:
    return xxh3_64_hexdigest(json.dumps(body, sort_keys=True, separators=(",", ":")).encode())
